//! Being let in: a question to a registry, with credentials for that registry
//! alone, with patience, and along its redirects.
//!
//! A registry that wants a token says who gives it, and gets a name and password
//! only there and only over a connection that is encrypted as its own is. A
//! redirect leads away from what the user named: whoever is there is told nothing.
//!
//! Source: distribution's "Token Authentication Specification" and "OAuth2"; RFC
//! 9110, section 11.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use ureq::http::{Method, header};

use super::docker_config::Login;
use super::header::Challenge;
use super::line::{Answer, Line, Payload};
use super::progress::Progress;
use super::settings::Settings;
use super::trouble::{Trouble, wrong};
use super::url::{Url, encoded, is_loopback};
use crate::image::Reference;

/// A token and what belongs to it, in bytes.
const LONGEST_TOKEN: u64 = 1 << 20;
const MOST_REDIRECTS: usize = 5;

/// A repository of a registry, and what is to be done there.
#[derive(Clone, Debug)]
pub(super) struct Site {
    /// As references have it.
    pub(super) registry: String,
    pub(super) repository: String,
    base: Url,
    scopes: Vec<String>,
}

impl Site {
    /// The repository of `reference`, to do `actions`: `pull`, `pull,push`.
    pub(super) fn new(
        settings: &Settings,
        reference: &Reference,
        actions: &str,
    ) -> Result<Self, Trouble> {
        let mut site = Self::of_registry(settings, reference.registry())?;
        reference.repository().clone_into(&mut site.repository);
        site.scopes = vec![format!("repository:{}:{actions}", site.repository)];
        Ok(site)
    }

    /// The registry itself.
    pub(super) fn of_registry(settings: &Settings, registry: &str) -> Result<Self, Trouble> {
        let insecure = settings.insecure.iter().any(|known| known == registry);
        let scheme = match insecure || is_loopback(registry) {
            true => "http",
            false => "https",
        };
        // The name that everybody uses is a page for people.
        let host = match registry {
            "docker.io" => "registry-1.docker.io",
            other => other,
        };
        let base = Url::parse(&format!("{scheme}://{host}/"));
        Ok(Self {
            registry: registry.to_owned(),
            repository: String::new(),
            base: base.map_err(|invalid| Trouble::Local(invalid.into()))?,
            scopes: Vec::new(),
        })
    }

    /// With one more scope.
    pub(super) fn and(mut self, scope: String) -> Self {
        self.scopes.push(scope);
        self
    }

    /// `/v2/`, and what is below.
    pub(super) fn api(&self, path: &str) -> Url {
        self.base.at(format!("/v2/{path}"))
    }

    /// `/v2/REPOSITORY/`, and what is below.
    pub(super) fn below(&self, path: &str) -> Url {
        self.api(&format!("{}/{path}", self.repository))
    }

    pub(super) fn is_its(&self, url: &Url) -> bool {
        self.base.is_same_server(url)
    }
}

/// Who asks, remembered for a run.
pub(super) struct Session {
    pub(super) settings: Settings,
    pub(super) line: Line,
    /// The `Authorization` that was good for a registry and scopes.
    known: Mutex<HashMap<(String, String), String>>,
    logins: Mutex<HashMap<(String, String), Option<Login>>>,
}

/// A question.
pub(super) struct Question<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(header::HeaderName, String)>,
    pub(super) payload: Payload<'a>,
}

impl<'a> Question<'a> {
    pub(super) fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: Vec::new(),
            payload: Payload::None,
        }
    }

    pub(super) fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }

    pub(super) fn header(mut self, name: header::HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn payload(mut self, payload: Payload<'a>) -> Self {
        self.payload = payload;
        self
    }
}

impl Session {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            line: Line::new(&settings),
            settings,
            known: Mutex::default(),
            logins: Mutex::default(),
        }
    }

    /// Lets `login` count for a registry, whatever the files say.
    pub(super) fn use_login(&self, registry: &str, login: Login) {
        let key = (registry.to_owned(), String::new());
        lock(&self.logins).insert(key, Some(login));
        lock(&self.known).retain(|(known, _), _| known != registry);
    }

    /// Does `attempt` again where it may end otherwise the next time, with longer
    /// and longer pauses, each a little random: many who were refused at once do
    /// not come back at once.
    pub(super) fn patiently<T>(
        &self,
        progress: &dyn Progress,
        mut attempt: impl FnMut() -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let mut failures = 0;
        loop {
            match attempt() {
                Err(trouble) => self.pause(trouble, &mut failures, progress)?,
                done => return done,
            }
        }
    }

    /// Waits before what failed is tried again; fails with `trouble` where that is
    /// of no use.
    pub(super) fn pause(
        &self,
        trouble: Trouble,
        failures: &mut u32,
        progress: &dyn Progress,
    ) -> Result<(), Trouble> {
        // Whatever went wrong: it looks as if a server did not keep its word.
        if progress.is_cancelled() {
            return Err(Trouble::Cancelled);
        }
        if !trouble.may_pass() || *failures >= self.settings.retries {
            return Err(trouble);
        }
        let doubled = self.settings.pause * (1 << (*failures).min(5));
        *failures += 1;
        let mut pause = doubled.mul_f64(0.5 + unpredictable());
        let mut why = String::new();
        match &trouble {
            Trouble::Refused(refusal) => {
                why = format!("HTTP {}", refusal.status);
                if let Some(asked) = refusal.retry_after {
                    if asked > self.settings.longest_pause {
                        return Err(trouble);
                    }
                    pause = pause.max(asked);
                }
            }
            Trouble::Unreachable(reason) => reason.clone_into(&mut why),
            _ => {}
        }
        progress.waits(&why, pause);
        let until = Instant::now() + pause;
        while Instant::now() < until {
            if progress.is_cancelled() {
                return Err(Trouble::Cancelled);
            }
            let left = until.saturating_duration_since(Instant::now());
            std::thread::sleep(left.min(Duration::from_millis(100)));
        }
        Ok(())
    }

    /// Asks once, tells who asks where that is wanted, and follows where it leads.
    pub(super) fn ask(&self, site: &Site, mut question: Question<'_>) -> Result<Answer, Trouble> {
        let mut may_redirect = 0;
        if question.method == Method::GET || question.method == Method::HEAD {
            may_redirect = MOST_REDIRECTS;
        }
        let mut authorized = HashSet::new();
        loop {
            let is_its = site.is_its(&question.url);
            let mut headers = question.headers.clone();
            if is_its && let Some(known) = self.authorization(site) {
                headers.push((header::AUTHORIZATION, known));
            }
            let can_repeat = !matches!(question.payload, Payload::Stream(..));
            let payload = match &mut question.payload {
                Payload::None => Payload::None,
                Payload::Bytes(bytes) => Payload::Bytes(bytes),
                Payload::Stream(reader, length) => Payload::Stream(reader, *length),
            };
            let answer = self
                .line
                .ask(&question.method, &question.url, &headers, payload)?;
            match answer.status {
                // Once for each server: who says it again means no.
                401 if is_its && authorized.insert(question.url.host.clone()) => {
                    self.authorize(site, answer)?;
                    if !can_repeat {
                        let why = "what let us in has run out".to_owned();
                        return Err(Trouble::Unreachable(why));
                    }
                }
                301 | 302 | 303 | 307 | 308 => {
                    if may_redirect == 0 {
                        return Err(wrong("it leads elsewhere again and again"));
                    }
                    may_redirect -= 1;
                    question.url = leads(&answer)?;
                }
                _ => return Ok(answer),
            }
        }
    }

    /// Asks once, as `login` or as nobody, and follows nowhere.
    pub(super) fn ask_plainly(
        &self,
        url: &Url,
        login: Option<(&str, &str)>,
    ) -> Result<Answer, Trouble> {
        let basic = login.map(|(user, secret)| (header::AUTHORIZATION, basic(user, secret)));
        let headers = basic.as_slice();
        self.line.ask(&Method::GET, url, headers, Payload::None)
    }

    fn authorization(&self, site: &Site) -> Option<String> {
        let known = lock(&self.known);
        let own = known.get(&key(site));
        let own = own.or_else(|| known.get(&(site.registry.clone(), String::new())));
        own.cloned()
    }

    /// Finds out what lets us in, from the challenges of a refusal.
    fn authorize(&self, site: &Site, refusal: Answer) -> Result<(), Trouble> {
        let challenges = refusal.headers("www-authenticate");
        let challenges: Vec<_> = challenges.flat_map(Challenge::parse_all).collect();
        let bearer = challenges
            .iter()
            .find(|c| matches!(c, Challenge::Bearer { .. }));
        let plain = challenges.iter().find(|c| matches!(c, Challenge::Basic));
        let login = self.login(site)?;
        let (key, value) = match (bearer.or(plain), login) {
            (Some(Challenge::Bearer { .. }), Some(Login::Token(token))) => {
                (key(site), format!("Bearer {token}"))
            }
            (
                Some(Challenge::Bearer {
                    realm,
                    service,
                    scope,
                }),
                login,
            ) => {
                let scopes = all_scopes(site, scope.as_deref());
                let token = self.token(site, realm, service.as_deref(), &scopes, login)?;
                (key(site), format!("Bearer {token}"))
            }
            (Some(Challenge::Basic), Some(Login::Password { user, secret })) => {
                let whole = (site.registry.clone(), String::new());
                (whole, basic(&user, &secret))
            }
            _ => return Err(refusal.into_refusal()),
        };
        lock(&self.known).insert(key, value);
        Ok(())
    }

    fn login(&self, site: &Site) -> Result<Option<Login>, Trouble> {
        let whole = (site.registry.clone(), String::new());
        if let Some(login) = lock(&self.logins).get(&whole) {
            return Ok(login.clone());
        }
        let key = (site.registry.clone(), site.repository.clone());
        if let Some(login) = lock(&self.logins).get(&key) {
            return Ok(login.clone());
        }
        // Also where it is unwanted by now: a helper that nobody waits for would stay for ever.
        let found = super::credentials::find(&self.settings, &site.registry, &site.repository)?;
        lock(&self.logins).insert(key, found.clone());
        Ok(found)
    }

    /// A token for `scopes`, from who gives them.
    fn token(
        &self,
        site: &Site,
        realm: &str,
        service: Option<&str>,
        scopes: &[String],
        login: Option<Login>,
    ) -> Result<String, Trouble> {
        let realm = site.base.join(realm);
        let realm = realm.map_err(|why| wrong(format!("who gives tokens: {why}")))?;
        let mut headers = Vec::new();
        let answer = if let Some(Login::Identity(identity)) = login {
            let mut form = format!(
                "grant_type=refresh_token&client_id=isolab&refresh_token={}",
                form_encoded(&identity)
            );
            for (name, value) in service
                .map(|service| ("service", service.to_owned()))
                .into_iter()
                .chain([("scope", scopes.join(" "))])
            {
                form = format!("{form}&{name}={}", form_encoded(&value));
            }
            let kind = "application/x-www-form-urlencoded".to_owned();
            headers.push((header::CONTENT_TYPE, kind));
            let form = Payload::Bytes(form.as_bytes());
            self.line.ask(&Method::POST, &realm, &headers, form)?
        } else {
            let mut url = realm;
            if let Some(service) = service {
                url = url.with("service", service);
            }
            for scope in scopes {
                url = url.with("scope", scope);
            }
            if let Some(Login::Password { user, secret }) = login {
                headers.push((header::AUTHORIZATION, basic(&user, &secret)));
                url = url.with("account", &user);
            }
            self.line.ask(&Method::GET, &url, &headers, Payload::None)?
        };
        let text = answer.expect(&[200])?.into_bytes(LONGEST_TOKEN)?;
        let token: Token =
            serde_json::from_slice(&text).map_err(|_| wrong("what it gives as a token is none"))?;
        let token = token.token.or(token.access_token).unwrap_or_default();
        let plain = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        plain
            .then_some(token)
            .ok_or_else(|| wrong("what it gives as a token is none"))
    }
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// What tells a server a name and a password.
///
/// Source: RFC 7617.
fn basic(user: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{secret}")))
}

fn key(site: &Site) -> (String, String) {
    (site.registry.clone(), site.scopes.join(" "))
}

/// Ours, and what the registry says that the question needs.
fn all_scopes(site: &Site, said: Option<&str>) -> Vec<String> {
    let said = said.unwrap_or_default().split_whitespace().take(8);
    let mut scopes = site.scopes.clone();
    for scope in said.map(str::to_owned) {
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    scopes
}

pub(super) fn leads(answer: &Answer) -> Result<Url, Trouble> {
    let place = answer
        .header("location")
        .ok_or_else(|| wrong("it leads elsewhere and does not say where"))?;
    let next = answer.url.join(place);
    next.map_err(|why| wrong(format!("it leads elsewhere: {why}")))
}

fn form_encoded(text: &str) -> String {
    encoded(text).replace(':', "%3A").replace('/', "%2F")
}

/// Between 0 and 1.
fn unpredictable() -> f64 {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    let bits = RandomState::new().build_hasher().finish() >> 40;
    f64::from(u32::try_from(bits).unwrap_or(0)) / f64::from(1 << 24)
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
