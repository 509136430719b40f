//! Numbers and lengths of time as people read them, for every kind of report.

use scandrill_model::PortSet;

/// A length of time in microseconds, with three digits that matter.
pub fn micros(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} us"),
        1_000..1_000_000 => scaled(us, 1_000, "ms"),
        1_000_000..60_000_000 => scaled(us, 1_000_000, "s"),
        _ => {
            let (minutes, seconds) = (us / 60_000_000, us % 60_000_000 / 1_000_000);
            if seconds == 0 { format!("{minutes} min") } else { format!("{minutes} min {seconds} s") }
        }
    }
}

fn scaled(us: u64, unit: u64, name: &str) -> String {
    let (whole, rest) = (us / unit, us % unit);
    let digits = match whole {
        0..10 => 2,
        10..100 => 1,
        _ => 0,
    };
    let tenths = rest * 10_u64.pow(digits) / unit;
    if tenths == 0 {
        format!("{whole} {name}")
    } else {
        format!("{whole}.{tenths:0width$} {name}", width = digits as usize)
    }
}

/// Ports in nmap's words; where these are longer than `max`, the first of them.
pub fn ports(ports: &PortSet, max: usize) -> String {
    let mut text = ports.to_string();
    if text.len() > max {
        text.truncate(text[..max].rfind(',').unwrap_or(max));
        text.push_str(",...");
    }
    text
}

/// `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A share in percent: whole where it is, never rounded up to all and never down to none.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "none".to_owned();
    }
    let mut tenths = u128::from(part) * 1000 / u128::from(whole);
    if tenths == 0 && part > 0 {
        tenths = 1;
    }
    let tenths = u64::try_from(tenths).unwrap_or(u64::MAX);
    if tenths.is_multiple_of(10) {
        format!("{} %", tenths / 10)
    } else {
        format!("{}.{} %", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_have_the_unit_that_fits() {
        let told = [
            (0, "0 us"),
            (815, "815 us"),
            (1_000, "1 ms"),
            (1_204, "1.20 ms"),
            (23_600, "23.6 ms"),
            (812_345, "812 ms"),
            (2_050_000, "2.05 s"),
            (60_000_000, "1 min"),
            (75_400_000, "1 min 15 s"),
        ];
        for (us, text) in told {
            assert_eq!(micros(us), text);
        }
    }

    #[test]
    fn shares_are_never_rounded_up_to_all_or_down_to_none() {
        assert_eq!(
            [percent(119, 120), percent(1, 90_000), percent(3, 3), percent(0, 5), percent(0, 0)],
            ["99.1 %", "0.1 %", "100 %", "0 %", "none"]
        );
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }
}
