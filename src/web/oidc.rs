//! Single sign-on: OpenID Connect Core 1.0, authorization code flow (§3.1) with PKCE (RFC 7636).

mod claims;
mod lenient;

use std::time::Duration;

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType, CoreGenderClaim,
    CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata,
    CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AccessToken, AdditionalClaims, AuthorizationCode, ClientId, ClientSecret, CsrfToken,
    EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, IdTokenFields, IssuerUrl, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope,
    StandardErrorResponse, StandardTokenResponse, SubjectIdentifier, TokenResponse as _, UserInfoClaims,
    UserInfoError,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::Instant;
use tracing::info;

use claims::{object, person};
use lenient::Vouched;

use crate::access::Person;
use crate::config::{OidcConfig, WebConfig};

/// The way back from the provider.
pub const CALLBACK: &str = "/sign-in/oidc/callback";
/// How long somebody may take at the provider.
pub const PENDING_FOR: Duration = Duration::from_secs(600);
/// How long what the provider says of itself is believed; its keys may change.
const PROVIDER_FOR: Duration = Duration::from_secs(3600);
/// How long a provider that could not be reached is left alone: nobody makes us ask it without end.
const AWAY_FOR: Duration = Duration::from_secs(5);
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
    #[error("none of the {groups} groups in the claim {claim:?} has a role in [web.oidc] roles")]
    NoRole { claim: String, groups: usize },
    #[error(
        "the provider sends no claim {claim:?}: let it send one, or name another as [web.oidc] groups_claim (a path such as realm_access.roles too)"
    )]
    NoGroups { claim: String },
    #[error("the claim {claim:?} is neither a text nor a list of texts, so no group is known")]
    OddGroups { claim: String },
    #[error(
        "the provider left out the groups, because they are too many for a token (_claim_names or hasgroups): let it send only the groups that are assigned to this application, or give app roles and set groups_claim = \"roles\""
    )]
    TooManyGroups,
    #[error("the user is disabled here")]
    Disabled,
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

/// Somebody who has been sent to the provider. Their browser keeps it, sealed: strangers who only begin use up nothing.
#[derive(Deserialize, Serialize)]
pub struct Pending {
    /// What the provider has to send back.
    pub state: String,
    nonce: String,
    verifier: String,
    next: String,
}

/// The provider.
#[derive(Debug)]
pub struct SingleSignOn {
    config: OidcConfig,
    secret: Option<ClientSecret>,
    back_to: RedirectUrl,
    http: openidconnect::reqwest::Client,
    provider: tokio::sync::Mutex<Option<(Instant, Result<CoreProviderMetadata, String>)>>,
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
        }))
    }

    /// Where to send somebody who wants to sign in, and what their browser has to bring back.
    ///
    /// # Errors
    /// [`SignOnError::Provider`], [`SignOnError::Config`].
    pub async fn begin(&self, next: String) -> Result<(String, Pending), SignOnError> {
        let (client, _) = self.client().await?;
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
        let pending = Pending {
            state: state.secret().clone(),
            nonce: nonce.secret().clone(),
            verifier: verifier.secret().clone(),
            next,
        };
        Ok((url.to_string(), pending))
    }

    /// Who came back, and where they wanted to go.
    ///
    /// # Errors
    /// [`SignOnError`].
    pub async fn finish(&self, pending: Pending, code: String) -> Result<(Person, String), SignOnError> {
        let (client, metadata) = self.client().await?;
        let nonce = Nonce::new(pending.nonce);
        let request = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|e| SignOnError::Provider(e.to_string()))?
            .set_pkce_verifier(PkceCodeVerifier::new(pending.verifier));
        let refused = |e: &dyn std::error::Error| SignOnError::Refused(whole(e));
        let Vouched { mut claims, subject, access } = match request.request_async(&self.http).await {
            Ok(tokens) => {
                let token =
                    tokens.id_token().ok_or_else(|| SignOnError::Refused("there is no ID token".into()))?;
                let good = token.claims(&client.id_token_verifier(), &nonce).map_err(|e| refused(&e))?;
                let access = tokens.access_token().clone();
                Vouched { claims: object(good), subject: good.subject().clone(), access }
            }
            // What cannot be parsed may be a claim that nobody needs.
            Err(RequestTokenError::Parse(fault, answer)) => {
                lenient::read(&answer, &metadata, client.client_id(), &nonce)
                    .map_err(|why| SignOnError::Refused(format!("{}: {why}", whole(&fault))))?
            }
            Err(fault) => return Err(refused(&fault)),
        };
        claims.extend(self.user_info(&client, &metadata, &access, &subject).await?);
        let subject = format!("{} {}", metadata.issuer().as_str(), subject.as_str());
        Ok((person(&self.config, subject, &claims)?, pending.next))
    }

    /// What the provider tells beside the ID token: many put into that only who it is. Where the ID token says all, a
    /// provider that tells nothing here keeps nobody out.
    async fn user_info(
        &self,
        client: &Client,
        metadata: &CoreProviderMetadata,
        access: &AccessToken,
        subject: &SubjectIdentifier,
    ) -> Result<Map<String, Value>, SignOnError> {
        let Ok(request) = client.user_info(access.clone(), Some(subject.clone())) else {
            return Ok(Map::new());
        };
        let told: Result<UserInfoClaims<Others, CoreGenderClaim>, _> =
            request.request_async(&self.http).await;
        let why = match told {
            Ok(told) => return Ok(object(&told)),
            // Of somebody else, or with a wrong signature: no answer of the provider's.
            Err(UserInfoError::ClaimsVerification(e)) => return Err(SignOnError::Refused(whole(&e))),
            Err(UserInfoError::Parse(fault)) => match self.plain_user_info(metadata, access, subject).await {
                Some(told) => return Ok(told),
                None => whole(&fault),
            },
            Err(UserInfoError::Response(status, ..)) => status.to_string(),
            Err(cause) => whole(&cause),
        };
        info!("User-info is not to be had, so the ID token alone counts: {why}");
        Ok(Map::new())
    }

    /// The same without a look at the types of claims.
    async fn plain_user_info(
        &self,
        metadata: &CoreProviderMetadata,
        access: &AccessToken,
        subject: &SubjectIdentifier,
    ) -> Option<Map<String, Value>> {
        let url = metadata.userinfo_endpoint()?.url().clone();
        let answer = self.http.get(url).bearer_auth(access.secret()).send().await.ok()?;
        let told: Map<String, Value> = serde_json::from_slice(&answer.bytes().await.ok()?).ok()?;
        (told.get("sub").and_then(Value::as_str) == Some(subject.as_str())).then_some(told)
    }

    async fn client(&self) -> Result<(Client, CoreProviderMetadata), SignOnError> {
        let mut provider = self.provider.lock().await;
        let fresh = provider.as_ref().is_some_and(|(since, said)| {
            since.elapsed() < if said.is_ok() { PROVIDER_FOR } else { AWAY_FOR }
        });
        if !fresh {
            let issuer = IssuerUrl::new(self.config.issuer.clone());
            let issuer = issuer.map_err(|e| SignOnError::Config(format!("issuer: {e}")))?;
            let asked = CoreProviderMetadata::discover_async(issuer, &self.http).await;
            *provider = Some((Instant::now(), asked.map_err(|e| whole(&e))));
        }
        let said = provider.as_ref().map(|(_, said)| said.clone());
        let said = said.unwrap_or_else(|| Err("it said nothing".into()));
        let metadata = said.map_err(SignOnError::Provider)?;
        let id = ClientId::new(self.config.client_id.clone());
        let client = Client::from_provider_metadata(metadata.clone(), id, self.secret.clone());
        Ok((client.set_redirect_uri(self.back_to.clone()), metadata))
    }
}

/// A fault with its causes: what is at its bottom tells most.
fn whole(fault: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(fault.source(), |cause| cause.source());
    causes.fold(fault.to_string(), |text, cause| format!("{text}: {cause}"))
}
