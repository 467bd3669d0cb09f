//! Who may change something.

mod guesses;
mod origin;
mod token;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, MatchedPath, Request};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use secrecy::SecretString;
use tokio::sync::watch;

pub use token::InvalidToken;

use super::problem::Problem;
use super::rate_limit::{Key, RateLimit};
use guesses::Guesses;
use token::Digests;

/// What a bearer token allows; each role includes the ones before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Role {
    /// Reads only.
    Viewer,
    /// May report usage.
    Ingest,
    /// May heal, apply, roll back, pause.
    Operator,
}

impl Role {
    /// The word that configuration, API and logs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Ingest => "ingest",
            Self::Operator => "operator",
        }
    }
}

/// One accepted bearer token.
#[derive(Clone, Debug)]
pub struct Token {
    /// What it allows.
    pub role: Role,
    /// The secret itself; compared in constant time, never logged.
    pub secret: SecretString,
}

/// The access rules of one daemon.
#[derive(Clone, Debug)]
pub struct AccessSettings {
    /// Accepted tokens; with none, mutations are taken from loopback peers only.
    pub tokens: Vec<Token>,
    /// Takes mutations from anybody although no token is set. Means nothing when one is set.
    pub allow_unauthenticated: bool,
    /// Mutations that one token or peer may send in a minute; a third of them at once. Zero: no limit.
    /// Reports of usage have a limit of their own, see [`INGEST_PER_MINUTE`].
    pub mutations_per_minute: u32,
}

impl AccessSettings {
    /// Who may change something, in one word for the log.
    pub fn requested_by(&self) -> &'static str {
        match (self.tokens.is_empty(), self.allow_unauthenticated) {
            (false, _) => "token",
            (true, true) => "anybody",
            (true, false) => "this host",
        }
    }
}

impl Default for AccessSettings {
    fn default() -> Self {
        Self { tokens: Vec::new(), allow_unauthenticated: false, mutations_per_minute: MUTATIONS_PER_MINUTE }
    }
}

/// What a person or a script sends at most: one mutation a second over a minute.
pub const MUTATIONS_PER_MINUTE: u32 = 60;

/// What one token or peer may send to routes of [`Role::Ingest`] in a minute. A report comes with each request
/// of the watched services, often through one gateway: 1,000 a second is more than one of them serves.
pub const INGEST_PER_MINUTE: u32 = 60_000;

/// Who sent a request that passed the rules. Handlers find it among the extensions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Caller {
    /// The holder of a token of this role.
    Token(Role),
    /// Somebody on this host.
    Local,
    /// Anybody.
    Anonymous,
}

/// The access rules at work: decides on every request before its handler runs.
#[derive(Clone)]
pub struct Access {
    /// By path, then by method, of which a path has few.
    rules: HashMap<String, Vec<(Method, Rule)>>,
    /// Whether anything is decided here.
    decides: bool,
    /// Clones share it, so that all of them see new settings at once.
    shared: watch::Sender<Arc<Shared>>,
}

/// What a route asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// This role.
    Role(Role),
    /// This role once any token is set, nothing before; as often as one likes.
    Welcome(Role),
    /// Nothing: it only reads, whatever its method.
    Read,
}

struct Shared {
    tokens: Digests,
    allow_unauthenticated: bool,
    limits: Arc<Limits>,
    guesses: Arc<Guesses>,
}

struct Limits {
    mutations_per_minute: u32,
    mutations: RateLimit,
    ingest: RateLimit,
}

impl Limits {
    fn new(mutations_per_minute: u32) -> Self {
        let ingest_per_minute = if mutations_per_minute == 0 { 0 } else { INGEST_PER_MINUTE };
        Self {
            mutations_per_minute,
            mutations: RateLimit::per_minute(mutations_per_minute),
            ingest: RateLimit::per_minute(ingest_per_minute),
        }
    }
}

impl Access {
    /// Every mutation needs an operator until [`Access::require`] says otherwise; reads need nobody.
    pub fn new(settings: &AccessSettings) -> Self {
        let limits = Arc::new(Limits::new(settings.mutations_per_minute));
        let shared = Shared::new(settings, limits, Arc::default());
        Self { rules: HashMap::new(), decides: true, shared: watch::Sender::new(Arc::new(shared)) }
    }

    /// The one of a server that passes everything on, to be decided elsewhere.
    pub fn to_all() -> Self {
        Self { decides: false, ..Self::new(&AccessSettings::default()) }
    }

    /// From now on these settings hold. What was counted of each peer goes on counting, unless its limit changes.
    pub fn reconfigure(&self, settings: &AccessSettings) {
        self.shared.send_modify(|shared| {
            let is_same = shared.limits.mutations_per_minute == settings.mutations_per_minute;
            let limits = if is_same {
                Arc::clone(&shared.limits)
            } else {
                Arc::new(Limits::new(settings.mutations_per_minute))
            };
            *shared = Arc::new(Shared::new(settings, limits, Arc::clone(&shared.guesses)));
        });
    }

    /// Says which role one route needs. `path` is the route as the router has it: `/rollback/{id}`.
    ///
    /// A read that is given a role needs a token of that role once any token is set. It is a table and not a
    /// layer on the route, so that a route that nobody thought of needs an operator.
    #[must_use]
    pub fn require(self, method: Method, path: &str, role: Role) -> Self {
        self.with(method, path, Rule::Role(role))
    }

    /// Says that one route takes reports from anybody while no token is set, and from this role once one is. How many
    /// it takes is its own affair.
    #[must_use]
    pub fn welcome(self, method: Method, path: &str, role: Role) -> Self {
        self.with(method, path, Rule::Welcome(role))
    }

    /// Says that one route only reads, although its method is one that changes something elsewhere.
    #[must_use]
    pub fn read(self, method: Method, path: &str) -> Self {
        self.with(method, path, Rule::Read)
    }

    fn with(mut self, method: Method, path: &str, rule: Rule) -> Self {
        let rules = self.rules.entry(path.to_owned()).or_default();
        rules.retain(|(of, _)| *of != method);
        rules.push((method, rule));
        self
    }

    fn check(&self, request: &Request) -> Result<Caller, Problem> {
        if !self.decides {
            return Ok(Caller::Anonymous);
        }
        let is_mutation = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        let (role, is_welcome) = match self.needed(request, is_mutation) {
            None | Some(Rule::Read) => return Ok(Caller::Anonymous),
            Some(Rule::Role(role)) => (role, false),
            Some(Rule::Welcome(role)) => (role, true),
        };
        let asked = Asked { role, is_mutation, is_welcome, peer: peer(request), request };
        let shared = Arc::clone(&self.shared.borrow());
        if shared.tokens.is_empty() {
            shared.check_without_tokens(&asked)
        } else {
            shared.check_token(&asked)
        }
    }

    fn needed(&self, request: &Request, is_mutation: bool) -> Option<Rule> {
        let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
        let rules = request.extensions().get::<MatchedPath>().and_then(|path| self.rules.get(path.as_str()));
        let rule = rules.and_then(|rules| rules.iter().find(|(of, _)| of == method));
        rule.map(|(_, rule)| *rule).or(is_mutation.then_some(Rule::Role(Role::Operator)))
    }
}

/// What the rules look at.
struct Asked<'a> {
    role: Role,
    is_mutation: bool,
    is_welcome: bool,
    peer: Option<IpAddr>,
    request: &'a Request,
}

impl Shared {
    fn new(settings: &AccessSettings, limits: Arc<Limits>, guesses: Arc<Guesses>) -> Self {
        let tokens = Digests::of(&settings.tokens);
        Self { tokens, allow_unauthenticated: settings.allow_unauthenticated, limits, guesses }
    }

    fn check_token(&self, asked: &Asked<'_>) -> Result<Caller, Problem> {
        let Some(secret) = bearer(asked.request.headers()) else {
            self.limit(asked, Key::peer(asked.peer))?;
            return Err(Problem::unauthorized("This needs a token: send Authorization: Bearer <token>."));
        };
        // Before the comparison: a peer that guesses gets no answer, not even to the right guess.
        self.guesses.check(asked.peer).map_err(too_many)?;
        let Some((digest, role)) = self.tokens.find(secret) else {
            self.guesses.record(asked.peer);
            self.limit(asked, Key::peer(asked.peer))?;
            let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
            return Err(Problem::unauthorized("The token is not accepted.")
                .with_header(header::WWW_AUTHENTICATE, challenge));
        };
        self.limit(asked, Key::token(digest))?;
        if role < asked.role {
            let (needed, has) = (asked.role.as_str(), role.as_str());
            return Err(Problem::forbidden(format!("This needs the role {needed}; the token has {has}.")));
        }
        Ok(Caller::Token(role))
    }

    fn check_without_tokens(&self, asked: &Asked<'_>) -> Result<Caller, Problem> {
        if !asked.is_mutation {
            return Ok(Caller::Anonymous);
        }
        self.limit(asked, Key::peer(asked.peer))?;
        let headers = asked.request.headers();
        let host = origin::host(asked.request);
        if origin::is_cross_site(headers, host) {
            return Err(Problem::forbidden("A page of another site may not change anything here."));
        }
        if asked.is_welcome {
            return Ok(Caller::Anonymous);
        }
        let is_loopback = asked.peer.is_some_and(|peer| peer.is_loopback());
        if is_loopback && !origin::is_forwarded(headers) {
            return match host {
                Some(host) if origin::is_local_host(host) => Ok(Caller::Local),
                Some(_) | None => Err(foreign_host()),
            };
        }
        if !self.allow_unauthenticated {
            return Err(Problem::forbidden(
                "Without a token this is taken from the same host only. To allow it, set API_TOKEN and send \
                 Authorization: Bearer <token>, or set ALLOW_UNAUTHENTICATED=true.",
            ));
        }
        // A published container port makes every browser on the host a remote peer, and a rebound name makes
        // any page same-origin. Such a name has a dot; `localhost`, addresses and service names do not.
        if origin::is_browser(headers) && host.is_none_or(origin::is_public_name) {
            return Err(foreign_host());
        }
        Ok(Caller::Anonymous)
    }

    fn limit(&self, asked: &Asked<'_>, key: Key) -> Result<(), Problem> {
        if !asked.is_mutation || asked.is_welcome {
            return Ok(());
        }
        let limit = match asked.role {
            Role::Ingest => &self.limits.ingest,
            Role::Viewer | Role::Operator => &self.limits.mutations,
        };
        limit.check(key).map_err(too_many)
    }
}

fn too_many(wait: Duration) -> Problem {
    Problem::too_many_requests("Too many requests of this kind; Retry-After says when to go on.", wait)
}

fn foreign_host() -> Problem {
    Problem::forbidden(
        "The Host header names another host than this one. Use localhost or an address, or set API_TOKEN and \
         send Authorization: Bearer <token>.",
    )
}

/// Runs the request when the rules allow it.
pub(super) async fn guard(
    access: &Access,
    mut request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    match access.check(&request) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next(request).await
        }
        Err(problem) => {
            tracing::debug!(
                status = problem.status().as_u16(),
                reason = problem.body().error,
                "request refused"
            );
            problem.into_response()
        }
    }
}

/// The address of the other end of the connection, an IPv4-mapped one as IPv4. What a header claims about it
/// is never asked for.
pub(super) fn peer(request: &Request) -> Option<IpAddr> {
    let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
    Some(peer.ip().to_canonical())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, secret) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let secret = secret.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !secret.is_empty()).then_some(secret)
}

#[cfg(test)]
mod tests;
