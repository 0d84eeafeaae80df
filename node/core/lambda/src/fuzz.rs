//! The way in for fuzzers: any request.

use crate::{
    error_table::LambdaError,
    operation::*,
    request::HttpRequest,
    route::{self, Operation},
};
use stator_api::arn::Owner;

/// Reads a request as its operation does. `headers` have lower-case names.
pub fn parse_any(
    (method, path, query): (&str, &str, &str),
    headers: &Vec<(String, String)>,
    body: &[u8],
) -> Result<(), LambdaError> {
    let owner = Owner { region: "us-east-1".to_owned(), account_id: "000000000000".to_owned() };
    let routed = route::route(method, path).ok_or(LambdaError::UnknownOperation)?;
    let query = route::query(query);
    let request = HttpRequest::new(&routed, &query, headers, body);
    match routed.operation {
        Operation::CreateFunction => CreateFunction::parse(&request, &owner).map(drop),
        Operation::GetFunction
        | Operation::GetFunctionConfiguration
        | Operation::DeleteFunction
        | Operation::GetFunctionCodeSigningConfig
        | Operation::GetPolicy
        | Operation::GetRuntimeManagementConfig => FunctionRequest::parse(&request).map(drop),
        Operation::GetFunctionConcurrency
        | Operation::DeleteFunctionConcurrency
        | Operation::GetFunctionRecursionConfig => FunctionRequest::parse_unqualified(&request).map(drop),
        Operation::ListFunctions => ListFunctions::parse(&request).map(drop),
        Operation::UpdateFunctionCode => UpdateFunctionCode::parse(&request).map(drop),
        Operation::UpdateFunctionConfiguration => UpdateFunctionConfiguration::parse(&request, &owner).map(drop),
        Operation::Invoke => Invoke::parse(&request).map(drop),
        Operation::InvokeAsync => Invoke::parse_async(&request).map(drop),
        Operation::PublishVersion => PublishVersion::parse(&request).map(drop),
        Operation::ListVersionsByFunction => ListVersionsByFunction::parse(&request).map(drop),
        Operation::CreateAlias => CreateAlias::parse(&request).map(drop),
        Operation::GetAlias | Operation::DeleteAlias => AliasReference::parse(&request).map(drop),
        Operation::UpdateAlias => UpdateAlias::parse(&request).map(drop),
        Operation::ListAliases => ListAliases::parse(&request).map(drop),
        Operation::PutFunctionConcurrency => PutFunctionConcurrency::parse(&request).map(drop),
        Operation::AddPermission => AddPermission::parse(&request, &owner).map(drop),
        Operation::RemovePermission => RemovePermission::parse(&request).map(drop),
        Operation::TagResource => ChangeTags::parse_tag(&request).map(drop),
        Operation::UntagResource => ChangeTags::parse_untag(&request).map(drop),
        Operation::ListTags => ListTags::parse(&request).map(drop),
        Operation::GetAccountSettings => Ok(()),
        Operation::PutFunctionEventInvokeConfig => ConfigureEvents::parse_put(&request, &owner).map(drop),
        Operation::UpdateFunctionEventInvokeConfig => ConfigureEvents::parse_update(&request, &owner).map(drop),
        Operation::GetFunctionEventInvokeConfig | Operation::DeleteFunctionEventInvokeConfig => {
            EventsReference::parse(&request).map(drop)
        }
        Operation::ListFunctionEventInvokeConfigs => ListFunctionEventInvokeConfigs::parse(&request).map(drop),
        Operation::PutFunctionRecursionConfig => PutFunctionRecursionConfig::parse(&request).map(drop),
        Operation::CreateEventSourceMapping => CreateEventSourceMapping::parse(&request, &owner).map(drop),
        Operation::GetEventSourceMapping | Operation::DeleteEventSourceMapping => {
            MappingReference::parse(&request).map(drop)
        }
        Operation::ListEventSourceMappings => ListEventSourceMappings::parse(&request).map(drop),
        Operation::UpdateEventSourceMapping => UpdateEventSourceMapping::parse(&request, &owner).map(drop),
        Operation::PutRuntimeManagementConfig => PutRuntimeManagementConfig::parse(&request).map(drop),
    }
}
