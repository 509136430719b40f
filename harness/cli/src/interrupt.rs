//! Ctrl-C and a polite kill: what is put right before the process ends. Cases end by themselves, as they hold on to this
//! process.

use std::sync::{Mutex, Once, PoisonError};

/// The exit code of a process that was interrupted: 128 and the number of SIGINT, as shells say it.
const INTERRUPTED: i32 = 130;

/// What is done first, in this order.
static TASKS: Mutex<Vec<fn()>> = Mutex::new(Vec::new());

/// Has `task` done, once, when the process is interrupted. Where the system allows no handler, it is not.
pub fn first(task: fn()) {
    static HANDLER: Once = Once::new();
    let mut tasks = TASKS.lock().unwrap_or_else(PoisonError::into_inner);
    if !tasks.iter().any(|other| std::ptr::fn_addr_eq(*other, task)) {
        tasks.push(task);
    }
    HANDLER.call_once(|| drop(ctrlc::set_handler(|| leave())));
}

/// Ends the process as an interrupt does.
pub fn leave() -> ! {
    for task in TASKS.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        task();
    }
    std::process::exit(INTERRUPTED)
}
