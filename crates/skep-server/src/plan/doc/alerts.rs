//! The schema of alerts and of the routes that they take.

use super::{Duration, Texts};
use schemars::JsonSchema;

/// When people are told that something needs them.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "AlertNumbers")]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct AlertNumbersDoc {
    /// Rules that raise nothing.
    #[schemars(extend("default" = Vec::<String>::new()))]
    off: Option<Vec<RuleDoc>>,
    /// What was alerted of must be over for so long before that is said: what comes and goes is one alert.
    #[schemars(extend("default" = "1m"))]
    settle: Option<Duration>,
    /// What still holds is said again after so long; 0s: never.
    #[schemars(extend("default" = "4h"))]
    remind: Option<Duration>,
    /// At its cap with tasks waiting for so long, the swarm is fully scaled.
    #[schemars(extend("default" = "10m"))]
    scaled_after: Option<Duration>,
    /// With work left and nothing running for so long, the swarm is idle.
    #[schemars(extend("default" = "10m"))]
    idle_after: Option<Duration>,
    /// More crashes than this within the window are too many. At most 99.
    #[schemars(extend("default" = 2))]
    crashes: Option<u32>,
    /// The window in which crashes are counted.
    #[schemars(extend("default" = "5m"))]
    crash_window: Option<Duration>,
    /// How long a provider may refuse before people hear of it; a used-up quota or a refused login is told at once.
    #[schemars(extend("default" = "1m"))]
    provider_after: Option<Duration>,
    /// How long a question may wait before people hear of it.
    #[schemars(extend("default" = "0s"))]
    ask_after: Option<Duration>,
    /// More keepers than this that died within the window are too many. At most 99.
    #[schemars(extend("default" = 2))]
    keeper_restarts: Option<u32>,
    /// The window in which keepers that died are counted.
    #[schemars(extend("default" = "20m"))]
    keeper_window: Option<Duration>,
}

/// What is looked for.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", rename = "Rule")]
#[expect(dead_code, reason = "only its schema is used")]
enum RuleDoc {
    FullyScaled,
    Idle,
    TaskFailed,
    Crashes,
    Provider,
    Budget,
    Halted,
    Ask,
    KeeperRestarts,
    Disk,
    Target,
    Undelivered,
}

/// Whom alerts reach.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Alerts")]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct AlertsDoc {
    /// Each way to people.
    route: Option<Vec<RouteDoc>>,
}

/// One way to people. Secrets are named, never written: by an environment variable of the keeper, or by a file.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "AlertRoute")]
#[expect(dead_code, reason = "only its schema is used")]
struct RouteDoc {
    /// To name it by.
    name: String,
    /// By which way.
    kind: KindDoc,
    /// A webhook's address.
    url: Option<String>,
    /// The environment variable that holds a webhook's address; a Slack webhook's is secret.
    url_env: Option<String>,
    /// The file that holds it.
    url_file: Option<String>,
    /// The environment variable that holds what a webhook's messages are signed with.
    secret_env: Option<String>,
    /// The file that holds it.
    secret_file: Option<String>,
    /// Whether a webhook's address may be one of this machine or of a private network.
    #[schemars(extend("default" = false))]
    allow_private: Option<bool>,
    /// The mail server and its port, such as "smtp.example.com:587".
    server: Option<String>,
    /// How the connection to the mail server is encrypted; "none" is for a server on this machine.
    #[schemars(extend("default" = "starttls"))]
    tls: Option<TlsDoc>,
    /// Whether mail may go to another machine unencrypted.
    #[schemars(extend("default" = false))]
    allow_plain: Option<bool>,
    /// Whom the mail server knows.
    user: Option<String>,
    /// The environment variable that holds the password.
    password_env: Option<String>,
    /// The file that holds it.
    password_file: Option<String>,
    /// The sender of mail.
    from: Option<String>,
    /// Who gets it.
    to: Option<Texts>,
    /// Nothing that matters less goes this way.
    #[schemars(extend("default" = "info"))]
    least: Option<SeverityDoc>,
    /// The rules of which alerts go this way. Default: all.
    rules: Option<Vec<RuleDoc>>,
    /// Whether it is said, too, when something is over.
    #[schemars(extend("default" = true))]
    resolved: Option<bool>,
    /// Hours of the day, such as "22:00-07:00", in which only what is critical is sent; the rest comes after them, as
    /// one message.
    quiet: Option<String>,
    /// The time zone of the quiet hours, such as "Europe/Berlin"; "local" is this machine's.
    #[schemars(extend("default" = "UTC"))]
    zone: Option<String>,
    /// The same is not said again so soon, whatever became of it in between.
    #[schemars(extend("default" = "10m"))]
    dedup: Option<Duration>,
    /// The most messages within an hour; what is critical does not wait for it.
    #[schemars(extend("default" = 30), range(min = 1))]
    per_hour: Option<u32>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", rename = "AlertKind")]
#[expect(dead_code, reason = "only its schema is used")]
enum KindDoc {
    /// JSON to an address, signed.
    Webhook,
    /// What Slack's incoming webhooks take.
    Slack,
    /// E-mail.
    Email,
    /// The desktop of whoever runs the keeper.
    Desktop,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", rename = "MailTls")]
#[expect(dead_code, reason = "only its schema is used")]
enum TlsDoc {
    Implicit,
    Starttls,
    None,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", rename = "AlertSeverity")]
#[expect(dead_code, reason = "only its schema is used")]
enum SeverityDoc {
    Info,
    Warning,
    Critical,
}
