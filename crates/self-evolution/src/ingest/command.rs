//! The command line of `ingest`.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgGroup, Command, value_parser};

/// The command.
pub(crate) const NAME: &str = "ingest";

const EXAMPLES: &str = r#"nginx: append the response time to the combined format, and reload
  log_format usage '$remote_addr - $remote_user [$time_local] "$request" '
                   '$status $body_bytes_sent "$http_referer" "$http_user_agent" $request_time';
  access_log /var/log/nginx/usage.log usage;

  self-evolution ingest --follow --service shop /var/log/nginx/usage.log

Apache: append microseconds (%D)
  LogFormat "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\" %D" usage
  CustomLog /var/log/apache2/usage.log usage

  self-evolution ingest --follow --service shop /var/log/apache2/usage.log

Traefik (accessLog: {format: json}) names the service itself; Envoy (json_format) does not
  self-evolution ingest --follow /var/log/traefik/access.log
  self-evolution ingest --follow --service shop /var/log/envoy/access.log

JSON of your own: say where each member is; nested ones with dots
  self-evolution ingest app.log --field endpoint=http.route --field status_code=http.status \
    --field response_time=took_ms --unit milliseconds --service shop

Kubernetes' nginx ingress: the 2nd and 3rd value behind the user agent
  kubectl logs --follow deploy/ingress-nginx-controller |
    self-evolution ingest - --format nginx --field response_time=2 --field service=3

See what would be sent, and try the settings on all of it
  self-evolution ingest --dry-run --service shop access.log
  self-evolution ingest --dry-run --all --service shop access.log | self-evolution backtest --usage -

Lines that are older than --max-age are skipped, because the daemon takes only what is recent; --now reports them as if
they happened now. Exit codes: 0 everything was sent; 1 it failed, or nothing was taken; 2 the command line, or the log,
was not understood. Read more: docs/self-evolution.md, From an access log."#;

/// What `ingest` takes.
pub(crate) fn command() -> Command {
    Command::new(NAME)
        .about("Read an access log and report its requests to a running self-evolution")
        .after_help("Use --help for the lines to configure in nginx, Apache, Envoy and Traefik.")
        .after_long_help(EXAMPLES)
        .arg(
            Arg::new("log")
                .value_name("FILE")
                .help("The log, compressed with gzip or not; - for the standard input")
                .required(true)
                .value_parser(value_parser!(PathBuf)),
        )
        .args(of_the_log())
        .args(of_time())
        .group(ArgGroup::new("stamp").args(["now", "max-age"]))
        .args(of_following())
        .args(of_the_daemon())
}

fn of_the_log() -> [Arg; 4] {
    [
        Arg::new("service").long("service").value_name("NAME").help("The service, whatever the lines say"),
        Arg::new("format")
            .long("format")
            .value_name("FORMAT")
            .help("The format; by default the first lines show it")
            .value_parser(["auto", "nginx", "apache", "json"])
            .default_value("auto"),
        Arg::new("field")
            .long("field")
            .value_name("MEMBER=WHERE")
            .help(
                "Where a member is: service, endpoint, response_time, status_code, timestamp, method or trace_id. In \
                 JSON a name, with dots for nested ones; else the number of a value behind the user agent",
            )
            .action(ArgAction::Append),
        Arg::new("unit")
            .long("unit")
            .value_name("UNIT")
            .help("What response times count, where their form or name does not tell")
            .value_parser(["seconds", "milliseconds", "microseconds", "nanoseconds"]),
    ]
}

fn of_time() -> [Arg; 2] {
    [
        Arg::new("max-age")
            .long("max-age")
            .value_name("SECONDS")
            .help("Skip lines that are further from now; the daemon takes ten of its ANALYSIS_BUCKET_SECONDS")
            .default_value("600")
            .value_parser(value_parser!(u64).range(1..=36_000)),
        Arg::new("now")
            .long("now")
            .help("Report every line as if it happened now, however old it is")
            .action(ArgAction::SetTrue),
    ]
}

fn of_following() -> [Arg; 4] {
    [
        Arg::new("follow")
            .long("follow")
            .short('f')
            .help("Go on with what is appended, through rotation and cutting, and across restarts")
            .action(ArgAction::SetTrue),
        Arg::new("state")
            .long("state")
            .value_name("FILE")
            .help("Where it is kept how far the log was reported; with --follow FILE.ingested, else nowhere")
            .value_parser(value_parser!(PathBuf)),
        Arg::new("dry-run")
            .long("dry-run")
            .help("Only print the first ten events, as NDJSON")
            .action(ArgAction::SetTrue),
        Arg::new("all")
            .long("all")
            .help("With --dry-run: print all events, however old they are; what backtest reads")
            .requires("dry-run")
            .conflicts_with("stamp")
            .action(ArgAction::SetTrue),
    ]
}

fn of_the_daemon() -> [Arg; 3] {
    [
        Arg::new("url")
            .long("url")
            .value_name("URL")
            .env("EVOLUTION_SERVICE_URL")
            .hide_env_values(true)
            .help("Where self-evolution answers")
            .default_value("http://localhost:5007"),
        Arg::new("token-file")
            .long("token-file")
            .value_name("FILE")
            .help("A file with a token of the role ingest; else the variable API_TOKEN, as the daemon has it")
            .value_parser(value_parser!(PathBuf)),
        Arg::new("wait")
            .long("wait")
            .value_name("SECONDS")
            .help("How long the daemon may take nothing before that is a failure; with --follow for ever")
            .default_value("30")
            .value_parser(value_parser!(u64).range(0..=86_400)),
    ]
}
