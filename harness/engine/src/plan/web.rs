//! The web servers of a target: real nginx, one process for all of its ports, with ModSecurity and the core rule set before
//! those that are a WAF's. They answer every request with the same short text.

use scandrill_model::{CommandLine, Daemon, Need, ServiceKind, ServicePlan, Step};

/// The daemon's name, on the target.
const NAME: &str = "nginx";
/// ModSecurity, as a module of nginx's.
const MODULE: &str = "/usr/lib/nginx/modules/ngx_http_modsecurity_module.so";
/// The core rule set's own settings, before its rules.
const SETTINGS: &str = "/etc/modsecurity/crs/crs-setup.conf";
/// The rules.
const RULES: &str = "/usr/share/modsecurity-crs/rules";
/// What is served. It is a file, as nginx's `return` answers before ModSecurity has looked at what is asked.
const FOLDER: &str = "/etc/scandrill-nginx";
/// What ModSecurity's recommended settings write to. The folder is one that only an installation would have made.
const AUDIT_LOG: &str = "/var/log/nginx/modsec_audit.log";

/// What starts nginx, where a service is one of its; ready once it listens on all of its ports.
pub fn programs(services: &[ServicePlan]) -> Vec<Step> {
    let ours: Vec<&ServicePlan> = services.iter().filter(|service| service.kind.is_nginx()).collect();
    if ours.is_empty() {
        return Vec::new();
    }
    let guarded = ours.iter().any(|service| service.kind == ServiceKind::Waf);
    let modules = if guarded { format!("load_module {MODULE};\n") } else { String::new() };
    let path = format!("{FOLDER}/{NAME}.conf");
    let text = nginx(NAME, &modules, &ours.iter().map(|service| server(**service)).collect::<String>());
    let ready = ours.iter().flat_map(|service| [listens(service.port, false), listens(service.port, true)]);
    let daemon = Daemon {
        name: NAME.to_owned(),
        folders: Vec::new(),
        command: CommandLine { program: "nginx".to_owned(), args: vec!["-c".to_owned(), path.clone()] },
        ready: CommandLine::bash(&ready.collect::<String>()),
        owns: Vec::new(),
    };
    let file = |path: String, text: &str| Step::WriteFile { path, text: text.to_owned() };
    let log = guarded.then(|| file(AUDIT_LOG.to_owned(), ""));
    let page = file(format!("{FOLDER}/index.html"), "scandrill\n");
    log.into_iter().chain([page, file(path, &text), Step::Daemon(daemon)]).collect()
}

/// What a WAF needs beside nginx.
pub fn needs(services: &[ServicePlan]) -> Vec<Need> {
    let guarded = services.iter().any(|service| service.kind == ServiceKind::Waf);
    let files = if guarded { [MODULE, SETTINGS, RULES].as_slice() } else { &[] };
    files.iter().map(|&path| Need::File(path.to_owned())).collect()
}

/// A server of one port, on both families. The rules are those of ModSecurity's recommended settings, which only watch, and
/// of the core rule set, with the one change that makes them refuse.
fn server(service: ServicePlan) -> String {
    let guard = if service.kind == ServiceKind::Waf {
        format!(
            "modsecurity on;\n\t\tmodsecurity_rules '\n\t\t\tInclude /etc/nginx/modsecurity.conf\n\
             \t\t\tSecRuleEngine On\n\t\t\tInclude {SETTINGS}\n\t\t\tInclude {RULES}/*.conf\n\t\t';\n\t\t"
        )
    } else {
        String::new()
    };
    let port = service.port;
    format!(
        "\tserver {{\n\t\tlisten {port}; listen [::]:{port};\n\t\t{guard}\
         location / {{ root {FOLDER}; try_files /index.html =404; }}\n\t}}\n"
    )
}

/// A file of nginx's, for one process, as an ordinary user's lab may have no other user for its workers. Each request is a
/// line on the standard output, with the client's address. Nothing is kept in folders that only the package's own
/// installation would have made.
pub(super) fn nginx(name: &str, modules: &str, servers: &str) -> String {
    let folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let folders = folders.map(|folder| format!("\t{folder}_temp_path /tmp/scandrill-{name}-{folder};\n"));
    format!(
        "{modules}daemon off;\nmaster_process off;\nuser root;\npid /run/scandrill-{name}.pid;\nerror_log stderr;\n\
         events {{}}\nhttp {{\n\taccess_log /dev/stdout;\n{}{servers}}}\n",
        folders.concat()
    )
}

/// A line of bash that fails while nobody listens on a TCP port: a listening socket's state is 0A.
pub(super) fn listens(port: u16, over_ipv6: bool) -> String {
    let six = if over_ipv6 { "6" } else { "" };
    format!("grep -Eq ':{port:04X} [0-9A-F:]+ 0A ' /proc/net/tcp{six}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use scandrill_model::Protocol;

    fn serving(kind: ServiceKind) -> Vec<ServicePlan> {
        [80, 8080].map(|port| ServicePlan { protocol: Protocol::Tcp, port, kind }).into()
    }

    #[test]
    fn one_daemon_serves_all_ports_of_nginx_and_none_without() {
        assert_eq!(programs(&serving(ServiceKind::Http)), []);
        let steps = programs(&serving(ServiceKind::Nginx));
        let daemons = steps.iter().filter(|step| matches!(step, Step::Daemon(_)));
        assert_eq!(daemons.count(), 1);
        assert_eq!(needs(&serving(ServiceKind::Nginx)), []);
    }

    #[test]
    fn a_waf_needs_its_module_and_its_rules() {
        let files = needs(&serving(ServiceKind::Waf));
        assert!(
            files.contains(&Need::File(MODULE.to_owned())) && files.contains(&Need::File(RULES.to_owned()))
        );
    }
}
