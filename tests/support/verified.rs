//! Callers that were let in, as those see them that keep something for each.

use covenant::auth::{Caller, Doorman, Presented};
use covenant::config::Settings;

use super::Place;
use super::tokens::{BASE_URL, Draft, Signer, bearer, jwks};

/// A client that was let in for a tenant, or for none.
pub async fn verified(client: &str, tenant: Option<&str>) -> Caller {
    let (place, signer) = (Place::empty(), Signer::es384("key-1"));
    let keys = jwks([signer.jwk()]);
    let file = format!("[[client]]\nname = \"{client}\"\nissuer = \"https://{client}.example\"\njwks = '{keys}'\n");
    let mut settings = Settings::read(None, |_| None).unwrap();
    settings.auth.clients = Some(place.write("clients.toml", file));
    settings.auth.base_url = Some(BASE_URL.to_owned());
    let doorman = Doorman::of(&settings).unwrap().unwrap();
    let draft = Draft::of(&format!("https://{client}.example"), &signer);
    let draft = tenant.iter().fold(draft, |draft, tenant| draft.claim("tenant", *tenant));
    let token = bearer(&draft.signed_by(&signer));
    let path = "/cds-services/order-sign-crd";
    let presented = Presented { authorization: Some(&token), path, from: None, certificate: None };
    let verified = doorman.admit(presented, "a call").await.unwrap().enter("a call").await.unwrap();
    verified.caller().clone()
}
