//! Single sign-on against a small provider of our own that says what a test wants it to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{CoreJwsSigningAlgorithm, CoreRsaPrivateSigningKey};
use openidconnect::{JsonWebKeyId, PrivateSigningKey as _};
use serde_json::{Value, json};

use crate::harness::site::Site;
use crate::harness::{App, config};

/// What the provider says next.
#[derive(Default)]
struct Says {
    nonce: String,
    claims: Value,
    user_info: Option<Value>,
    /// Whether somebody has changed the token on its way.
    forged: bool,
    /// Requests for tokens, as they came.
    asked: Vec<String>,
}

struct Provider {
    issuer: String,
    says: Arc<Mutex<Says>>,
}

impl Provider {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let issuer = format!("http://{}", listener.local_addr().expect("an address"));
        let made = Command::new("openssl").args(["genrsa", "-traditional", "2048"]).output();
        let pem = String::from_utf8(made.expect("openssl runs").stdout).expect("a key");
        let id = JsonWebKeyId::new("one".to_owned());
        let key = CoreRsaPrivateSigningKey::from_pem(&pem, Some(id)).expect("a key");
        let (says, own) = (Arc::new(Mutex::new(Says::default())), issuer.clone());
        let told = Arc::clone(&says);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                answer(stream, &own, &key, &told);
            }
        });
        Self { issuer, says }
    }

    /// A dashboard that lets people in by this provider.
    fn site(&self, more: &str) -> Site {
        let text = format!(
            "{}\n[web]\nlisten = \"127.0.0.1:0\"\npublic_url = \"http://127.0.0.1:8080\"\n[web.oidc]\nissuer = {:?}\n\
             client_id = \"aftercall\"\nroles = [{{ group = \"leads\", role = \"supervisor\" }}]\n{more}",
            config(),
            self.issuer
        );
        Site::of(App::with(&text))
    }

    /// Goes to the provider and back; gives the status and the page that it ends on.
    fn arrive(&self, site: &Site, claims: Value, user_info: Option<Value>) -> (u16, String) {
        let begun = Begun::at(site);
        {
            let mut says = self.says.lock().expect("no test holds it while it fails");
            (says.nonce, says.claims, says.user_info) = (begun.nonce.clone(), claims, user_info);
        }
        let reply = site.get(&begun.back(), &begun.cookie);
        (reply.status, format!("{}{}", reply.header("location"), reply.text()))
    }
}

/// A sign-in under way.
struct Begun {
    state: String,
    nonce: String,
    cookie: String,
}

impl Begun {
    fn at(site: &Site) -> Self {
        let reply = site.get("/sign-in/oidc?next=/agents", "");
        assert_eq!(reply.status, 303, "{}", reply.text());
        let to = url::Url::parse(reply.header("location")).expect("an address");
        let part = |name: &str| to.query_pairs().find(|(key, _)| key == name).expect(name).1.into_owned();
        Self { state: part("state"), nonce: part("nonce"), cookie: reply.cookie() }
    }

    fn back(&self) -> String {
        format!("/sign-in/oidc/callback?code=c&state={}", self.state)
    }
}

fn answer(mut stream: TcpStream, issuer: &str, key: &CoreRsaPrivateSigningKey, says: &Mutex<Says>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let lower = head.to_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).expect("a body");
    let mut says = says.lock().expect("no test holds it while it fails");
    let found = match head.split(' ').nth(1).expect("a path") {
        "/.well-known/openid-configuration" => Some(json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/auth"),
            "token_endpoint": format!("{issuer}/token"),
            "userinfo_endpoint": format!("{issuer}/userinfo"),
            "jwks_uri": format!("{issuer}/keys"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        })),
        "/keys" => Some(json!({"keys": [key.as_verification_key()]})),
        "/token" => {
            says.asked.push(String::from_utf8_lossy(&body).into_owned());
            let token = token(issuer, key, &says);
            Some(json!({"access_token": "a", "token_type": "Bearer", "id_token": token}))
        }
        "/userinfo" => says.user_info.clone(),
        path => panic!("nobody asks for {path}"),
    };
    let status = if found.is_some() { "200 OK" } else { "403 Forbidden" };
    let text = found.unwrap_or_else(|| json!({"error": "insufficient_scope"})).to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        text.len()
    );
    stream.write_all((head + &text).as_bytes()).expect("somebody reads");
}

fn token(issuer: &str, key: &CoreRsaPrivateSigningKey, says: &Says) -> String {
    let now = jiff::Timestamp::now().as_second();
    let mut claims =
        json!({"iss": issuer, "aud": "aftercall", "iat": now, "exp": now + 300, "nonce": says.nonce});
    let all = claims.as_object_mut().expect("an object");
    all.extend(says.claims.as_object().expect("claims").clone());
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(&json!({"alg": "RS256", "typ": "JWT", "kid": "one"})), part(&claims));
    let signed = key.sign(&CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256, text.as_bytes());
    let mut signed = signed.expect("a signature");
    if says.forged {
        signed[7] ^= 1;
    }
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signed))
}

#[test]
fn strangers_who_begin_throw_nobody_out() {
    let provider = Provider::start();
    let site = provider.site("[api]\nsource_rate = 10000\n");
    let begun = Begun::at(&site);
    provider.says.lock().unwrap().nonce.clone_from(&begun.nonce);
    provider.says.lock().unwrap().claims = json!({"sub": "7", "groups": ["leads"]});
    let other = Begun::at(&site);
    for _ in 0..1_100 {
        drop(site.get("/sign-in/oidc", ""));
    }
    assert!(begun.cookie.starts_with("aftercall-sign-on="), "{}", begun.cookie);
    for cookie in ["", "aftercall-sign-on=", "aftercall-sign-on=AAAA", &other.cookie] {
        assert_eq!(site.get(&begun.back(), cookie).status, 401, "another browser's sign-in: {cookie}");
    }
    assert!(!begun.cookie.contains(&begun.state) && !begun.cookie.contains(&begun.nonce), "it is sealed");
    let reply = site.get(&begun.back(), &begun.cookie);
    assert_eq!((reply.status, reply.header("location")), (303, "/agents"), "{}", reply.text());
    let asked = provider.says.lock().unwrap().asked.clone();
    assert!(
        matches!(&asked[..], [one] if one.contains("code=c") && one.contains("code_verifier=")),
        "{asked:?}"
    );
}

#[test]
fn what_is_not_needed_of_a_person_keeps_nobody_out() {
    let provider = Provider::start();
    let site = provider.site("");
    let groups = json!({"sub": "7", "groups": ["leads"]});
    let with = |more: Value| {
        let mut all = groups.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let text_time = json!({"updated_at": "2026-11-20T08:11:12.345Z", "email_verified": "true"});
    assert_eq!(
        provider.arrive(&site, with(text_time.clone()), Some(json!({"sub": "7"}))),
        (303, "/agents".into())
    );
    let told = Some(with(text_time));
    assert_eq!(provider.arrive(&site, json!({"sub": "7"}), told), (303, "/agents".into()));
    assert_eq!(provider.arrive(&site, groups.clone(), None), (303, "/agents".into()), "user-info says 403");
    let odd = Some(json!({"sub": "7", "updated_at": {"odd": []}}));
    assert_eq!(
        provider.arrive(&site, groups.clone(), odd),
        (303, "/agents".into()),
        "user-info makes no sense"
    );
    site.app.wait_for_log("User-info is not to be had, so the ID token alone counts: 403 Forbidden");
    let (status, _) = provider.arrive(&site, groups, Some(json!({"sub": "8", "groups": ["leads"]})));
    assert_eq!(status, 401, "user-info of somebody else is no answer");

    let (status, page) = provider.arrive(&site, json!({"sub": "7", "_claim_names": {"groups": "x"}}), None);
    assert!(status == 403 && page.contains("role"), "{page}");
    site.app.wait_for_log("the provider left out the groups, because they are too many for a token");
    let nested = json!({"sub": "7", "realm_access": {"roles": ["leads"]}});
    assert_eq!(provider.arrive(&site, nested.clone(), None).0, 403);
    site.app.wait_for_log("the provider sends no claim \"groups\"");
    let by_path = provider.site("groups_claim = \"realm_access.roles\"\n");
    assert_eq!(provider.arrive(&by_path, nested, None), (303, "/agents".into()));
}
