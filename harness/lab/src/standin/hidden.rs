//! What nft lists, without the table by which the lab follows packets: an administrator's script must meet what it would
//! meet on its own machine.

use std::ops::Range;

use serde_json::Value;

use crate::trace::{TABLE, is_of_trace};

/// A listing without that table.
pub(super) fn without(listed: &str) -> String {
    if !listed.contains(TABLE) {
        return listed.to_owned();
    }
    if listed.starts_with('{') { without_json(listed) } else { without_text(listed) }
}

fn without_text(listed: &str) -> String {
    let opening = format!("table inet {TABLE}");
    let (mut kept, mut is_inside) = (String::with_capacity(listed.len()), false);
    for line in listed.split_inclusive('\n') {
        let bare = line.trim_end();
        if bare.split(" {").next() == Some(&opening) {
            is_inside = bare.ends_with('{');
        } else if !is_inside {
            kept += line;
        } else if bare == "}" {
            is_inside = false;
        }
    }
    kept
}

/// Objects are cut out as they are written, so that all others stay as nft wrote them.
fn without_json(listed: &str) -> String {
    let is_hidden = |place: &Range<usize>| {
        let object: Option<Value> = serde_json::from_str(&listed[place.clone()]).ok();
        let object = object.as_ref().and_then(Value::as_object);
        object.is_some_and(|object| object.iter().any(|(kind, body)| is_of_trace(kind, body)))
    };
    let (mut kept, mut copied) = (String::with_capacity(listed.len()), 0);
    for place in objects(listed).into_iter().filter(is_hidden) {
        // The comma before it goes with it; nft's own first object is never this table's.
        kept += listed[copied..place.start].trim_end_matches([',', ' ']);
        copied = place.end;
    }
    kept + &listed[copied..]
}

/// Where the objects of the one list of nft's are: those at the second depth.
fn objects(listed: &str) -> Vec<Range<usize>> {
    let (mut found, mut depth, mut start) = (Vec::new(), 0, 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, byte) in listed.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b'{' if !is_quoted => {
                depth += 1;
                if depth == 2 {
                    start = at;
                }
            }
            b'}' if !is_quoted => {
                if depth == 2 {
                    found.push(start..at + 1);
                }
                depth -= 1;
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_as_it_would_be_without_it() {
        let before = "table ip filter {\n\tchain INPUT {\n\t}\n}\n";
        let behind = "table inet own {\n}\n";
        let own = format!("table inet {TABLE} {{\n\tchain first {{\n\t}}\n}}\n");
        assert_eq!(without(&format!("{before}{own}{behind}")), format!("{before}{behind}"));
        assert_eq!(without(&format!("table ip nat\ntable inet {TABLE}\n")), "table ip nat\n");
        assert_eq!(without(before), before);
    }

    #[test]
    fn json_keeps_the_rest_to_the_letter() {
        let listed = format!(
            "{{\"nftables\": [{{\"metainfo\": {{\"version\": \"1.0.6\"}}}}, {{\"table\": {{\"family\": \"inet\", \"name\": \
             \"{TABLE}\"}}}}, {{\"rule\": {{\"table\": \"{TABLE}\", \"comment\": \"a }} b\"}}}}, {{\"table\": {{\"name\": \"own\"}}}}]}}\n"
        );
        let rest =
            "{\"nftables\": [{\"metainfo\": {\"version\": \"1.0.6\"}}, {\"table\": {\"name\": \"own\"}}]}\n";
        assert_eq!(without(&listed), rest);
    }
}
