//! A small assembler for eBPF: instructions as the kernel reads them (Linux, Documentation/bpf/standardization/
//! instruction-set.rst), and labels, so that jumps are written by name.

/// A register. R1 to R5 carry a call's arguments and are lost in it; R0 carries its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Register {
    R0,
    R1,
    R2,
    R3,
    R4,
    #[expect(dead_code, reason = "no call here has five arguments")]
    R5,
    R6,
    R7,
    R8,
    R9,
    /// The end of the stack's 512 bytes, read-only.
    Frame,
}

/// How many bytes a load or store moves, as its code says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Width {
    Byte = 0x10,
    Half = 0x08,
    Word = 0x00,
    Double = 0x18,
}

/// What is done to a register, as its code says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Operation {
    Add = 0x00,
    Subtract = 0x10,
    Multiply = 0x20,
    Or = 0x40,
    And = 0x50,
    ShiftLeft = 0x60,
    ShiftRight = 0x70,
    Xor = 0xa0,
    Move = 0xb0,
}

/// When a jump is taken, as its code says it; comparisons are unsigned and of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Condition {
    Equal = 0x10,
    AtLeast = 0x30,
    /// Whether a bit of the operand is set.
    AnySet = 0x40,
    NotEqual = 0x50,
    Below = 0xa0,
}

/// The second operand: a register or a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    Register(Register),
    Number(i32),
}

impl From<Register> for Operand {
    fn from(register: Register) -> Self {
        Self::Register(register)
    }
}

impl From<i32> for Operand {
    fn from(number: i32) -> Self {
        Self::Number(number)
    }
}

/// A place in the program, to be jumped to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label(usize);

/// A program under construction.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    program: Vec<Instruction>,
    /// Where each label is; `None` until it is placed.
    places: Vec<Option<usize>>,
    /// Which instruction jumps to which label.
    jumps: Vec<(usize, Label)>,
}

#[derive(Clone, Copy, Debug)]
struct Instruction {
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
}

/// Instruction classes and sources.
const LOAD_IMMEDIATE: u8 = 0x18;
const LOAD: u8 = 0x61;
const STORE: u8 = 0x63;
const ATOMIC: u8 = 0xdb;
const ALU: u8 = 0x07;
const TO_BIG_ENDIAN: u8 = 0xdc;
const JUMP: u8 = 0x05;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
const BY_REGISTER: u8 = 0x08;
/// Says that the number loaded is a map's descriptor and an offset into its value.
const MAP_VALUE: Register = Register::R2;
/// Atomic addition, which also gives what was there.
const FETCH_ADD: i32 = 0x01;
/// Atomic exchange where R0 is what is there; R0 becomes what was there.
const COMPARE_EXCHANGE: i32 = 0xf1;

impl Assembler {
    /// A label, to be placed once.
    pub(super) fn label(&mut self) -> Label {
        self.places.push(None);
        Label(self.places.len() - 1)
    }

    /// Puts `label` in front of the next instruction.
    pub(super) fn place(&mut self, label: Label) {
        self.places[label.0] = Some(self.program.len());
    }

    /// `to = to OPERATION by`, on 64 bits.
    pub(super) fn alu(&mut self, operation: Operation, to: Register, by: impl Into<Operand>) {
        let (source, register, immediate) = split(by.into());
        self.push(ALU | source | operation as u8, to, register, 0, immediate);
    }

    /// `to = from`.
    pub(super) fn set(&mut self, to: Register, from: impl Into<Operand>) {
        self.alu(Operation::Move, to, from);
    }

    /// `to = number`, of 64 bits.
    pub(super) fn set_wide(&mut self, to: Register, number: u64) {
        let [low, high] = halves(number);
        self.push(LOAD_IMMEDIATE, to, Register::R0, 0, low);
        self.push(0, Register::R0, Register::R0, 0, high);
    }

    /// `to` = the address of byte `offset` in the value of the array map `map`, which has one value.
    pub(super) fn set_map_value(&mut self, to: Register, map: i32, offset: i32) {
        self.push(LOAD_IMMEDIATE, to, MAP_VALUE, 0, map);
        self.push(0, Register::R0, Register::R0, 0, offset);
    }

    /// Turns the lowest `bits` of `register` from network order to the machine's, or back; clears the others.
    pub(super) fn network_order(&mut self, register: Register, bits: i32) {
        self.push(TO_BIG_ENDIAN, register, Register::R0, 0, bits);
    }

    /// `to` = what is at `address + offset`.
    pub(super) fn load(&mut self, width: Width, to: Register, address: Register, offset: i16) {
        self.push(LOAD | width as u8, to, address, offset, 0);
    }

    /// Puts `from` at `address + offset`.
    pub(super) fn store(&mut self, width: Width, address: Register, offset: i16, from: Register) {
        self.push(STORE | width as u8, address, from, offset, 0);
    }

    /// Adds `by` to the 64 bits at `address + offset`, in one step and in order with what was stored before.
    pub(super) fn atomic_add(&mut self, address: Register, offset: i16, by: Register) {
        self.push(ATOMIC, address, by, offset, FETCH_ADD);
    }

    /// Puts `new` at `address + offset` if R0 is there, in one step; R0 becomes what was there.
    pub(super) fn compare_exchange(&mut self, address: Register, offset: i16, new: Register) {
        self.push(ATOMIC, address, new, offset, COMPARE_EXCHANGE);
    }

    /// Jumps to `label`.
    pub(super) fn jump(&mut self, label: Label) {
        self.jumps.push((self.program.len(), label));
        self.push(JUMP, Register::R0, Register::R0, 0, 0);
    }

    /// Jumps to `label` if `left CONDITION right`.
    pub(super) fn jump_if(
        &mut self,
        left: Register,
        condition: Condition,
        right: impl Into<Operand>,
        label: Label,
    ) {
        let (source, register, immediate) = split(right.into());
        self.jumps.push((self.program.len(), label));
        self.push(JUMP | source | condition as u8, left, register, 0, immediate);
    }

    /// Calls one of the kernel's helpers.
    pub(super) fn call(&mut self, helper: i32) {
        self.push(CALL, Register::R0, Register::R0, 0, helper);
    }

    /// Ends the program with R0 as its result.
    pub(super) fn exit(&mut self) {
        self.push(EXIT, Register::R0, Register::R0, 0, 0);
    }

    /// The program as the kernel takes it. A jump to a label that was never placed leads out of the program, which
    /// the kernel refuses.
    pub(super) fn finish(mut self) -> Vec<[u8; 8]> {
        for (from, label) in self.jumps {
            let to = self.places[label.0].unwrap_or(usize::MAX);
            // A jump counts from behind itself.
            let offset = i64::try_from(to).unwrap_or(i64::MAX) - i64::try_from(from + 1).unwrap_or(0);
            self.program[from].offset = i16::try_from(offset).unwrap_or(i16::MAX);
        }
        self.program.into_iter().map(Instruction::bytes).collect()
    }

    fn push(&mut self, code: u8, to: Register, from: Register, offset: i16, immediate: i32) {
        self.program.push(Instruction { code, registers: registers(to, from), offset, immediate });
    }
}

impl Instruction {
    fn bytes(self) -> [u8; 8] {
        let mut bytes = [self.code, self.registers, 0, 0, 0, 0, 0, 0];
        bytes[2..4].copy_from_slice(&self.offset.to_ne_bytes());
        bytes[4..].copy_from_slice(&self.immediate.to_ne_bytes());
        bytes
    }
}

/// Two registers share a byte; which half is whose follows the machine's byte order.
fn registers(to: Register, from: Register) -> u8 {
    let (to, from) = (to as u8, from as u8);
    if cfg!(target_endian = "big") { to << 4 | from } else { from << 4 | to }
}

fn split(operand: Operand) -> (u8, Register, i32) {
    match operand {
        Operand::Register(register) => (BY_REGISTER, register, 0),
        Operand::Number(number) => (0, Register::R0, number),
    }
}

/// The low and the high 32 bits, whose sign means nothing here.
fn halves(number: u64) -> [i32; 2] {
    [number & u64::from(u32::MAX), number >> 32].map(|half| u32::try_from(half).unwrap_or(0).cast_signed())
}
