//! The report as JSON, and the JSON Schema that describes it. Both come from the one type, so neither can say
//! what the other does not.

use scandrill_model::RunReport;
use schemars::schema_for;
use serde_json::{Value, json};

/// The report as indented JSON with a newline at its end, in the format that its `version` names.
#[expect(clippy::missing_panics_doc, reason = "no report has a map with keys other than strings")]
pub fn json(report: &RunReport) -> String {
    let mut text = serde_json::to_string_pretty(report).expect("every key of a report's maps is a string");
    text.push('\n');
    text
}

/// The JSON Schema of [`json()`]'s output, for the version that this build writes.
pub fn report_schema() -> Value {
    let mut schema = schema_for!(RunReport);
    schema.insert("$id".to_owned(), json!(format!("urn:scandrill:report:{}", RunReport::VERSION)));
    if let Some(version) = schema.pointer_mut("/properties/version").and_then(Value::as_object_mut) {
        version.insert("const".to_owned(), json!(RunReport::VERSION));
    }
    schema.to_value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn errors(document: &Value) -> Vec<String> {
        let validator = jsonschema::validator_for(&report_schema()).unwrap();
        validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    #[test]
    fn every_report_is_what_its_schema_says() {
        for report in [fixture::everything(), fixture::all_passed(), fixture::nothing_ran()] {
            let document: Value = serde_json::from_str(&json(&report)).unwrap();
            assert_eq!(errors(&document), Vec::<String>::new());
        }
    }

    #[test]
    fn the_schema_refuses_another_version_and_a_report_without_its_cases() {
        let mut document: Value = serde_json::from_str(&json(&fixture::everything())).unwrap();
        document["version"] = json!(RunReport::VERSION + 1);
        assert_eq!(errors(&document).len(), 1);
        document["version"] = json!(RunReport::VERSION);
        document.as_object_mut().unwrap().remove("cases");
        assert_eq!(errors(&document).len(), 1);
    }

    #[test]
    fn what_is_read_back_is_what_was_written() {
        let report = fixture::everything();
        assert_eq!(serde_json::from_str::<RunReport>(&json(&report)).unwrap(), report);
    }
}
