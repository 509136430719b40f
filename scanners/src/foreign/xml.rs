//! What the readers of XML share: nmap's report, and masscan's, which looks like it.

use roxmltree::{Document, Node, ParsingOptions};

use crate::error::ScanError;

/// The document in `bytes`.
pub(super) fn document(text: &str) -> Result<Document<'_>, ScanError> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|error| ScanError::Xml(error.to_string()))
}

pub(super) fn text(bytes: &[u8]) -> Result<&str, ScanError> {
    std::str::from_utf8(bytes).map_err(|error| ScanError::Xml(error.to_string()))
}

pub(super) fn children<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| child.has_tag_name(name))
}

pub(super) fn child<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> Result<Node<'a, 'i>, ScanError> {
    let missing = || ScanError::Report(format!("<{}> has no <{name}>", node.tag_name().name()));
    children(node, name).next().ok_or_else(missing)
}

pub(super) fn attribute<'a>(node: Node<'a, '_>, name: &str) -> Result<&'a str, ScanError> {
    let missing = || ScanError::Report(format!("<{}> has no `{name}`", node.tag_name().name()));
    node.attribute(name).ok_or_else(missing)
}

/// A number, in its attribute's range.
pub(super) fn number<T: std::str::FromStr>(node: Node<'_, '_>, name: &str) -> Result<T, ScanError> {
    let text = attribute(node, name)?;
    text.parse().map_err(|_| ScanError::Report(format!("`{text}` is no {name}")))
}

/// A reply's time to live; both scanners write 0 where they do not know it.
pub(super) fn ttl(node: Node<'_, '_>) -> Result<Option<u8>, ScanError> {
    Ok(Some(number(node, "reason_ttl")?).filter(|ttl| *ttl > 0))
}

/// Whether `host` has this address.
pub(super) fn has_address(host: Node<'_, '_>, address: std::net::IpAddr) -> bool {
    let is = |text: &str| text.parse() == Ok(address);
    children(host, "address").filter_map(|node| node.attribute("addr")).any(is)
}
