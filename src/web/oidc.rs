//! Single sign-on: OpenID Connect Core 1.0, authorization code flow (§3.1) with PKCE (RFC 7636).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType, CoreGenderClaim,
    CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata,
    CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EmptyExtraTokenFields,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, IdTokenFields, IssuerUrl, Nonce, OAuth2TokenResponse as _,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, StandardErrorResponse, StandardTokenResponse,
    TokenResponse as _, UserInfoClaims,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::access::{Person, UserName};
use crate::config::{GroupRole, OidcConfig, WebConfig};
use crate::domain::{Role, TeamId};

/// The way back from the provider.
pub const CALLBACK: &str = "/sign-in/oidc/callback";
/// How long somebody may take at the provider.
const PENDING_FOR: Duration = Duration::from_secs(600);
/// Sign-ins that may be under way at once; the oldest makes room.
const PENDING_MAX: usize = 1_000;
/// How long what the provider says of itself is believed; its keys may change.
const PROVIDER_FOR: Duration = Duration::from_secs(3600);
/// How long the provider may take for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Why somebody could not be signed in.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum SignOnError {
    #[error("the client secret cannot be read: {0}")]
    Secret(std::io::Error),
    #[error("the configuration of single sign-on: {0}")]
    Config(String),
    #[error("the provider cannot be reached: {0}")]
    Provider(String),
    #[error("this sign-in is not known, or took too long")]
    Unknown,
    #[error("the provider's answer is not to be trusted: {0}")]
    Refused(String),
    #[error("the provider names nobody that a user could be called after")]
    Name,
    #[error("none of the groups has a role here")]
    NoRole,
    #[error("the provider names no agent")]
    NoAgent,
}

/// All claims that are not the standard ones.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Others(#[serde(default)] Map<String, Value>);

impl AdditionalClaims for Others {}

type Tokens = StandardTokenResponse<
    IdTokenFields<
        Others,
        EmptyExtraTokenFields,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    >,
    CoreTokenType,
>;

type Client = openidconnect::Client<
    Others,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Somebody who has been sent to the provider.
#[derive(Debug)]
struct Pending {
    verifier: PkceCodeVerifier,
    nonce: Nonce,
    next: String,
    since: Instant,
}

/// The provider, and who is on the way to it.
#[derive(Debug)]
pub struct SingleSignOn {
    config: OidcConfig,
    secret: Option<ClientSecret>,
    back_to: RedirectUrl,
    http: openidconnect::reqwest::Client,
    provider: tokio::sync::Mutex<Option<(Instant, CoreProviderMetadata)>>,
    pending: Mutex<HashMap<String, Pending>>,
}

impl SingleSignOn {
    /// As the configuration says; `None` when it does not name a provider. The provider is asked when somebody comes.
    ///
    /// # Errors
    /// [`SignOnError::Secret`], [`SignOnError::Config`].
    pub fn new(web: &WebConfig) -> Result<Option<Self>, SignOnError> {
        let (Some(config), Some(url)) = (&web.oidc, &web.public_url) else { return Ok(None) };
        let secret = match &config.client_secret_file {
            Some(file) => {
                let text = std::fs::read_to_string(file).map_err(SignOnError::Secret)?;
                Some(ClientSecret::new(text.trim().to_owned()))
            }
            None => None,
        };
        let back_to = RedirectUrl::new(format!("{}{CALLBACK}", url.trim_end_matches('/')));
        let http = openidconnect::reqwest::Client::builder()
            .redirect(openidconnect::reqwest::redirect::Policy::none()) // A provider does not send us elsewhere.
            .timeout(ANSWER_MAX)
            .build();
        Ok(Some(Self {
            secret,
            back_to: back_to.map_err(|e| SignOnError::Config(format!("public_url: {e}")))?,
            http: http.map_err(|e| SignOnError::Config(e.to_string()))?,
            config: config.clone(),
            provider: tokio::sync::Mutex::default(),
            pending: Mutex::default(),
        }))
    }

    /// Where to send somebody who wants to sign in, and the state that their browser has to bring back.
    ///
    /// # Errors
    /// [`SignOnError::Provider`], [`SignOnError::Config`].
    pub async fn begin(&self, next: String) -> Result<(String, String), SignOnError> {
        let client = self.client().await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request = client.authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            CsrfToken::new_random,
            Nonce::new_random,
        );
        for scope in &self.config.scopes {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        let (url, state, nonce) = request.set_pkce_challenge(challenge).url();
        let pending = Pending { verifier, nonce, next, since: Instant::now() };
        let mut all = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, pending| pending.since.elapsed() < PENDING_FOR);
        if all.len() >= PENDING_MAX
            && let Some(oldest) =
                all.iter().min_by_key(|(_, pending)| pending.since).map(|(key, _)| key.clone())
        {
            all.remove(&oldest);
        }
        all.insert(state.secret().clone(), pending);
        Ok((url.to_string(), state.secret().clone()))
    }

    /// Who came back, and where they wanted to go.
    ///
    /// # Errors
    /// [`SignOnError`].
    pub async fn finish(&self, state: &str, code: String) -> Result<(Person, String), SignOnError> {
        let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner).remove(state);
        let pending = pending.filter(|pending| pending.since.elapsed() < PENDING_FOR);
        let pending = pending.ok_or(SignOnError::Unknown)?;
        let client = self.client().await?;
        let request = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|e| SignOnError::Provider(e.to_string()))?
            .set_pkce_verifier(pending.verifier);
        let tokens =
            request.request_async(&self.http).await.map_err(|e| SignOnError::Refused(e.to_string()))?;
        let token = tokens.id_token().ok_or_else(|| SignOnError::Refused("there is no ID token".into()))?;
        let claims = token
            .claims(&client.id_token_verifier(), &pending.nonce)
            .map_err(|e| SignOnError::Refused(e.to_string()))?;
        let mut known = object(claims);
        if let Ok(request) = client.user_info(tokens.access_token().clone(), Some(claims.subject().clone())) {
            // Many providers put into the ID token only who it is, and tell the rest here.
            let told: Result<UserInfoClaims<Others, CoreGenderClaim>, _> =
                request.request_async(&self.http).await;
            known.extend(object(&told.map_err(|e| SignOnError::Provider(e.to_string()))?));
        }
        let subject = format!("{} {}", claims.issuer().as_str(), claims.subject().as_str());
        Ok((person(&self.config, subject, &known)?, pending.next))
    }

    async fn client(&self) -> Result<Client, SignOnError> {
        let mut provider = self.provider.lock().await;
        let old = provider.as_ref().is_none_or(|(since, _)| since.elapsed() > PROVIDER_FOR);
        if old {
            let issuer = IssuerUrl::new(self.config.issuer.clone());
            let issuer = issuer.map_err(|e| SignOnError::Config(format!("issuer: {e}")))?;
            let asked = CoreProviderMetadata::discover_async(issuer, &self.http).await;
            let metadata = asked.map_err(|e| SignOnError::Provider(e.to_string()))?;
            *provider = Some((Instant::now(), metadata));
        }
        let metadata = provider.as_ref().map(|(_, metadata)| metadata.clone());
        let metadata = metadata.ok_or_else(|| SignOnError::Provider("it said nothing".into()))?;
        let id = ClientId::new(self.config.client_id.clone());
        let client = Client::from_provider_metadata(metadata, id, self.secret.clone());
        Ok(client.set_redirect_uri(self.back_to.clone()))
    }
}

fn object(claims: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(claims) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// Who the claims say somebody is here.
fn person(config: &OidcConfig, subject: String, claims: &Map<String, Value>) -> Result<Person, SignOnError> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let names = [config.name_claim.as_str(), "preferred_username", "email", "sub"];
    let name = names.into_iter().filter_map(text).find_map(|name| name.parse::<UserName>().ok());
    let groups: Vec<&str> = match claims.get(&config.groups_claim) {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(one)) => vec![one],
        _ => Vec::new(),
    };
    let mut fitting = config.roles.iter().filter(|role| groups.contains(&role.group.as_str())).peekable();
    let role = fitting.peek().ok_or(SignOnError::NoRole)?.role;
    // Who is in several groups of that role sees the teams of all of them; one without teams is for all teams.
    let fitting: Vec<&GroupRole> = fitting.filter(|other| other.role == role).collect();
    let mut teams: Vec<TeamId> = Vec::new();
    if fitting.iter().all(|group| !group.teams.is_empty()) {
        for team in fitting.iter().flat_map(|group| &group.teams) {
            if !teams.contains(team) {
                teams.push(team.clone());
            }
        }
    }
    let agent = text(&config.agent_claim).and_then(|agent| agent.parse().ok());
    let agent = match role {
        Role::Agent => Some(agent.ok_or(SignOnError::NoAgent)?),
        Role::Supervisor | Role::Quality | Role::Admin => None,
    };
    let name = name.ok_or(SignOnError::Name)?;
    Ok(Person { subject, name, role, agent, teams })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config() -> OidcConfig {
        toml::from_str(
            r#"
            issuer = "https://login.example.com"
            client_id = "aftercall"
            roles = [
                { group = "leads", role = "supervisor", teams = ["north"] },
                { group = "leads-south", role = "supervisor", teams = ["south", "north"] },
                { group = "heads", role = "supervisor" },
                { group = "agents", role = "agent" },
            ]
            "#,
        )
        .unwrap()
    }

    fn of(claims: Value) -> Result<Person, SignOnError> {
        let Value::Object(claims) = claims else { panic!("an object") };
        person(&config(), "https://login.example.com 7".into(), &claims)
    }

    #[test]
    fn the_first_group_that_is_known_gives_the_role() {
        let lead = of(json!({"preferred_username": "anna", "groups": ["x", "agents", "leads"]})).unwrap();
        assert_eq!((lead.role, lead.teams.len(), lead.agent), (Role::Supervisor, 1, None));
        assert_eq!(lead.name.to_string(), "anna");
        let one =
            of(json!({"email": "ben@example.com", "groups": "agents", "agent_id": "agent-07"})).unwrap();
        assert_eq!((one.role, one.agent), (Role::Agent, "agent-07".parse().ok()));
        assert_eq!(
            one.name.to_string(),
            "ben@example.com",
            "a name that is missing gives way to the next best"
        );
    }

    #[test]
    fn teams_of_several_groups_are_joined() {
        let teams = |groups: &[&str]| {
            let lead = of(json!({"sub": "7", "groups": groups})).unwrap();
            lead.teams.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(teams(&["leads-south", "leads"]), ["north", "south"]);
        assert_eq!(teams(&["leads", "agents"]), ["north"]);
        assert_eq!(teams(&["leads", "heads"]), [""; 0], "all teams");
    }

    #[test]
    fn who_has_no_role_stays_out() {
        assert!(matches!(of(json!({"sub": "7", "groups": ["others"]})), Err(SignOnError::NoRole)));
        assert!(matches!(of(json!({"sub": "7"})), Err(SignOnError::NoRole)));
        assert!(matches!(of(json!({"sub": "7", "groups": ["agents"]})), Err(SignOnError::NoAgent)));
        assert!(matches!(of(json!({"groups": ["leads"]})), Err(SignOnError::Name)));
    }
}
