//! The server, as the SDK wants one.

use rmcp::{ErrorData, RoleServer, ServerHandler, model::*, service::RequestContext};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{definitions, tools};

/// It keeps nothing: the suite asks for no more than that subscriptions are accepted.
#[derive(Debug, Clone)]
pub(crate) struct Server;

type Context = RequestContext<RoleServer>;

/// Has one of the SDK's types read a value.
pub(crate) fn read<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value)
        .map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = json!({
            "tools": {"listChanged": true},
            "prompts": {"listChanged": true},
            "resources": {"subscribe": true, "listChanged": true},
            "completions": {},
            "logging": {},
        });
        let capabilities = read(capabilities).expect("the SDK knows these capabilities");
        ServerConfig::new(capabilities)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListToolsResult, ErrorData> {
        read(definitions::tools())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: Context,
    ) -> Result<CallToolResponse, ErrorData> {
        tools::call(request, &context).await.map(Into::into)
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        read(definitions::resources())
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        read(definitions::templates())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let contents = definitions::contents(&request.uri)
            .ok_or_else(|| ErrorData::resource_not_found("no such resource", None))?;
        read::<ReadResourceResult>(contents).map(Into::into)
    }

    async fn subscribe(&self, _: SubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(&self, _: UnsubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        read(definitions::prompts())
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        let prompt = definitions::prompt(&request.name, &json!(request.arguments))
            .ok_or_else(|| ErrorData::invalid_params("no such prompt", None))?;
        read::<GetPromptResult>(prompt).map(Into::into)
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: Context,
    ) -> Result<CompleteResult, ErrorData> {
        let begun = &request.argument.value;
        let all = ["paris", "park", "party"];
        let values: Vec<_> = all.into_iter().filter(|it| it.starts_with(begun)).collect();
        let completion = json!({"values": values, "total": values.len(), "hasMore": false});
        read(json!({"completion": completion}))
    }

    #[expect(deprecated, reason = "the session generation has log messages")]
    async fn set_level(&self, _: SetLevelRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }
}
