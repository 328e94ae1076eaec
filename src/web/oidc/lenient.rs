//! An answer for tokens in which a claim that nobody here needs is of another type than the standard gives it: an address
//! as a text, a picture as an object. The library refuses such a token as a whole, before it looks at the signature.
//!
//! Nothing is trusted here that the library would not trust. The signature is checked over the token as it came, with the
//! library's own keys. What remains without the claims that are not needed is signed anew, under a key that lives for
//! this one check, so that the library judges issuer, audience, times and nonce as it always does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use openidconnect::core::{
    CoreGenderClaim, CoreJsonWebKey, CoreJsonWebKeyType, CoreJsonWebKeyUse,
    CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata,
};
use openidconnect::{
    AccessToken, ClientId, ClientSecret, IdToken, IdTokenVerifier, JsonWebKey as _, JsonWebKeyAlgorithm,
    JsonWebKeySet, Nonce, SubjectIdentifier,
};
use serde_json::{Map, Value, json};
use sha2::Sha256;

use super::Others;

/// The one algorithm that is taken, as where nothing is odd.
const RS256: CoreJwsSigningAlgorithm = CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256;
/// Claims of which no check depends (OpenID Connect Core §5.1). Those of them that are wanted are read as they came.
const UNCHECKED: [&str; 20] = [
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "email",
    "email_verified",
    "gender",
    "birthday",
    "birthdate",
    "zoneinfo",
    "locale",
    "phone_number",
    "phone_number_verified",
    "address",
    "updated_at",
];

type Token = IdToken<Others, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;

/// What a token says, once it is known to be the provider's and for us.
pub(super) struct Vouched {
    pub(super) claims: Map<String, Value>,
    pub(super) subject: SubjectIdentifier,
    pub(super) access: AccessToken,
}

/// Reads an answer for tokens.
pub(super) fn read(
    answer: &[u8],
    metadata: &CoreProviderMetadata,
    client: &ClientId,
    nonce: &Nonce,
) -> Result<Vouched, String> {
    let answer: Map<String, Value> = serde_json::from_slice(answer).map_err(|e| e.to_string())?;
    let text = |name: &str| answer.get(name).and_then(Value::as_str).ok_or(format!("there is no {name}"));
    let (token, access) = (text("id_token")?, AccessToken::new(text("access_token")?.to_owned()));
    let claims = signed(token, metadata.jwks().keys())?;
    let mut checked = claims.clone();
    // A name may have a language behind it, `name#nl`.
    checked.retain(|name, _| !UNCHECKED.contains(&name.split('#').next().unwrap_or_default()));
    let (again, secret) = sign(&checked)?;
    let again: Token = again.parse().map_err(|e: serde_json::Error| e.to_string())?;
    let (issuer, none) = (metadata.issuer().clone(), JsonWebKeySet::<CoreJsonWebKey>::new(Vec::new()));
    let verifier = IdTokenVerifier::new_confidential_client(client.clone(), secret, issuer, none)
        .set_allowed_algs([CoreJwsSigningAlgorithm::HmacSha256]);
    let good = again.claims(&verifier, nonce).map_err(|e| super::whole(&e))?;
    Ok(Vouched { subject: good.subject().clone(), claims, access })
}

/// The claims of a token that one of these keys has signed.
fn signed(token: &str, keys: &[CoreJsonWebKey]) -> Result<Map<String, Value>, String> {
    let parts: Vec<&str> = token.split('.').collect();
    let [head, body, signature] = parts[..] else { return Err("the ID token is none".into()) };
    let octets = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|e| format!("the ID token: {e}"));
    let object = |part: &str| -> Result<Map<String, Value>, String> {
        serde_json::from_slice(&octets(part)?).map_err(|e| format!("the ID token: {e}"))
    };
    let (header, signature) = (object(head)?, octets(signature)?);
    if header.get("alg") != Some(&json!("RS256")) || header.contains_key("crit") {
        return Err("the ID token is not signed with RS256".into());
    }
    let id = header.get("kid").and_then(Value::as_str);
    let fits = |key: &&CoreJsonWebKey| {
        *key.key_type() == CoreJsonWebKeyType::RSA
            && key.key_use().is_none_or(|for_what| *for_what == CoreJsonWebKeyUse::Signature)
            && match key.signing_alg() {
                JsonWebKeyAlgorithm::Algorithm(known) => *known == RS256,
                JsonWebKeyAlgorithm::Unspecified => true,
                JsonWebKeyAlgorithm::Unsupported => false,
            }
            && id.is_none_or(|id| key.key_id().is_some_and(|own| own.as_str() == id))
    };
    let message = &token.as_bytes()[..head.len() + 1 + body.len()];
    let good = |key: &CoreJsonWebKey| key.verify_signature(&RS256, message, &signature).is_ok();
    if !keys.iter().filter(fits).any(good) {
        return Err("the ID token has no signature of the provider's".into());
    }
    object(body)
}

/// A token with these claims under a key that nobody else ever has.
fn sign(claims: &Map<String, Value>) -> Result<(String, ClientSecret), String> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|e| e.to_string())?;
    let secret = URL_SAFE_NO_PAD.encode(key);
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(&json!({"alg": "HS256"})), part(&Value::Object(claims.clone())));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(text.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    Ok((format!("{text}.{signature}"), ClientSecret::new(secret)))
}
