use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::{clients, events, log_stream, rest, servers, settings};

#[derive(OpenApi)]
#[openapi(
    modifiers(&Control),
    security(("control" = [])),
    info(
        title = "Narthex",
        description = "What scripts, tests and other machines may count on. See docs/interface.md."
    ),
    paths(
        rest::health,
        rest::ready,
        rest::status,
        rest::pause,
        rest::resume,
        rest::hand_over,
        rest::metrics,
        servers::list,
        servers::one,
        servers::tools,
        servers::logs,
        log_stream::stream,
        servers::add,
        servers::patch,
        servers::remove,
        servers::connect,
        servers::disconnect,
        servers::restart,
        servers::quarantine,
        servers::approve,
        events::stream,
        clients::list,
        clients::add,
        clients::remove,
        settings::get,
        settings::patch,
    )
)]
struct Document;

/// Says that everything but health wants the control credential.
struct Control;

impl Modify for Control {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme("control", SecurityScheme::Http(bearer));
    }
}

/// Returns the OpenAPI document, made from the wire types.
pub fn document() -> String {
    let mut text = Document::openapi()
        .to_pretty_json()
        .expect("the document encodes");
    text.push('\n');
    text
}
