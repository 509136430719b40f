//! The small texts inside a scenario's values: services, rates, lengths of time, clients.

use std::str::FromStr;
use std::time::Duration;

use scandrill_model::{Millis, PerMille, Protocol, ServiceKind, ServicePlan, Technique};
use strum::IntoEnumIterator;

use crate::bad_file::nearest;

/// What is wrong with a value, and what would be right.
pub struct Wrong {
    pub message: String,
    pub help: Option<String>,
}

impl Wrong {
    pub fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: Some(help.into()) }
    }
}

/// A word of a closed vocabulary, by its `Display` form.
pub fn word<T: FromStr + IntoEnumIterator + ToString>(what: &str, text: &str) -> Result<T, Wrong> {
    text.parse().map_err(|_| {
        let known: Vec<String> = T::iter().map(|value| value.to_string()).collect();
        unknown(what, text, known.iter().map(String::as_str))
    })
}

/// A technique's name, without its parameters.
pub fn technique(text: &str) -> Result<Technique, Wrong> {
    let known: Vec<Technique> = Technique::iter().collect();
    let found = known.iter().find(|technique| technique.name() == text);
    found.copied().ok_or_else(|| unknown("technique", text, known.iter().map(Technique::name)))
}

pub fn unknown<'a>(what: &str, text: &str, known: impl Iterator<Item = &'a str> + Clone) -> Wrong {
    let help = match nearest(text, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known: {}", known.collect::<Vec<_>>().join(", ")),
    };
    Wrong::new(format!("unknown {what} `{text}`"), help)
}

/// `tcp/80 http`; the kind defaults to `banner` for TCP, `echo` for UDP and `sctp`, its only one, for SCTP.
pub fn service(text: &str) -> Result<ServicePlan, Wrong> {
    let (at, kind) = text.split_once(' ').map_or((text, None), |(at, kind)| (at, Some(kind.trim())));
    let (protocol, port) = address(at)?;
    let kind = match kind {
        None if protocol == Protocol::Tcp => ServiceKind::Banner,
        None if protocol == Protocol::Sctp => ServiceKind::Sctp,
        None => ServiceKind::Echo,
        Some(kind) => kind.parse().map_err(|_| {
            Wrong::new(
                format!("unknown kind of service `{kind}`"),
                "known: banner, http, deferred, nginx, waf, tarpit, echo, dns, silent, sctp",
            )
        })?,
    };
    let over = match kind {
        ServiceKind::Banner
        | ServiceKind::Http
        | ServiceKind::Deferred
        | ServiceKind::Nginx
        | ServiceKind::Waf
        | ServiceKind::Tarpit => Protocol::Tcp,
        ServiceKind::Echo | ServiceKind::Dns | ServiceKind::Silent => Protocol::Udp,
        ServiceKind::Sctp => Protocol::Sctp,
    };
    if protocol != over {
        let help = "tcp serves banner, http, deferred, nginx, waf and tarpit, udp serves echo, dns and silent, sctp serves sctp";
        return Err(Wrong::new(format!("a {protocol} port cannot serve {kind}"), help));
    }
    Ok(ServicePlan { protocol, port, kind })
}

/// `tcp/22`.
pub fn address(text: &str) -> Result<(Protocol, u16), Wrong> {
    let help = "write it as `tcp/22`, `udp/53` or `sctp/2905`";
    let (protocol, port) =
        text.split_once('/').ok_or_else(|| Wrong::new(format!("`{text}` is not a service"), help))?;
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        other => return Err(Wrong::new(format!("unknown protocol `{other}`"), help)),
    };
    let port = port.parse().ok().filter(|&port| port > 0);
    let port = port.ok_or_else(|| Wrong::new(format!("`{text}` has no port from 1 to 65535"), help))?;
    Ok((protocol, port))
}

/// `10/s`, `30/min`, `6/h`, as the time from one to the next.
pub fn rate(text: &str) -> Result<Duration, Wrong> {
    let wrong = || Wrong::new(format!("`{text}` is not a rate"), "write it as `10/s`, `30/min` or `6/h`");
    let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
    let unit = match unit.trim() {
        "s" => Duration::from_secs(1),
        "min" | "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(3_600),
        _ => return Err(wrong()),
    };
    let count: u32 = count.trim().parse().ok().filter(|&count| count > 0).ok_or_else(wrong)?;
    match unit / count {
        interval if interval < FASTEST => {
            let help = "leave `rate` out for full speed";
            Err(Wrong::new(format!("`{text}` is faster than a million a second"), help))
        }
        interval => Ok(interval),
    }
}

/// The shortest time between two probes that anybody can ask for.
const FASTEST: Duration = Duration::from_micros(1);

/// `5%`, `0.5%`: a share of packets that leaves some.
pub fn share(text: &str) -> Result<PerMille, Wrong> {
    let wrong =
        || Wrong::new(format!("`{text}` is not a loss"), "write it as `5%` or `0.5%`, less than 100%");
    let number: f64 =
        text.strip_suffix('%').and_then(|number| number.trim().parse().ok()).ok_or_else(wrong)?;
    let parts = (1_u16..1000).find(|parts| (f64::from(*parts) - number * 10.0).abs() < 1e-6);
    parts.and_then(|parts| PerMille::try_from(parts).ok()).ok_or_else(wrong)
}

/// `500ms`, `60s`.
pub fn length(text: &str) -> Result<Millis, Wrong> {
    let length: Duration = humantime::parse_duration(text).map_err(|_| {
        Wrong::new(format!("`{text}` is not a length of time"), "write it as `500ms`, `60s` or `5m`")
    })?;
    Ok(length.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_have_sensible_kinds() {
        for (text, canonical) in [
            ("tcp/22", "tcp/22 banner"),
            ("tcp/80 http", "tcp/80 http"),
            ("udp/7", "udp/7 echo"),
            ("udp/53 dns", "udp/53 dns"),
            ("sctp/2905", "sctp/2905 sctp"),
            ("sctp/2905 sctp", "sctp/2905 sctp"),
        ] {
            assert_eq!(service(text).ok().map(|plan| plan.to_string()).as_deref(), Some(canonical));
        }
        for wrong in ["22", "tcp/0", "tcp/99999", "icmp/1", "udp/80 http", "tcp/80 gopher"] {
            assert!(service(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_kind_of_service_has_its_protocol() {
        for (text, message) in [
            ("tcp/2905 sctp", "a tcp port cannot serve sctp"),
            ("udp/2905 sctp", "a udp port cannot serve sctp"),
            ("sctp/2905 echo", "a sctp port cannot serve echo"),
            ("sctp/2905 http", "a sctp port cannot serve http"),
        ] {
            let wrong = service(text).err();
            assert_eq!(wrong.as_ref().map(|wrong| wrong.message.as_str()), Some(message));
            let help = "tcp serves banner, http, deferred, nginx, waf and tarpit, udp serves echo, dns and silent, sctp serves sctp";
            assert_eq!(wrong.and_then(|wrong| wrong.help).as_deref(), Some(help));
        }
    }

    #[test]
    fn a_loss_is_counted_in_parts_per_thousand() {
        assert_eq!(share("5%").ok(), PerMille::try_from(50).ok());
        assert_eq!(share("0.5 %").ok(), PerMille::try_from(5).ok());
        for wrong in ["5", "0%", "100%", "0.05%", "-1%", "five%"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rates_become_intervals() {
        assert_eq!(rate("10/s").ok(), Some(Duration::from_millis(100)));
        assert_eq!(rate("30/min").ok(), Some(Duration::from_secs(2)));
        assert_eq!(rate("1000000/s").ok(), Some(Duration::from_micros(1)));
        for wrong in ["10", "0/s", "5/fortnight", "1000001/s"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
