//! Which operation a method and a path name. Every family of operations has a date of its own.

/// An operation of the Lambda API that is served.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Operation {
    CreateFunction,
    GetFunction,
    GetFunctionConfiguration,
    ListFunctions,
    UpdateFunctionCode,
    UpdateFunctionConfiguration,
    DeleteFunction,
    Invoke,
    InvokeAsync,
    PublishVersion,
    ListVersionsByFunction,
    CreateAlias,
    GetAlias,
    UpdateAlias,
    DeleteAlias,
    ListAliases,
    PutFunctionConcurrency,
    GetFunctionConcurrency,
    DeleteFunctionConcurrency,
    AddPermission,
    RemovePermission,
    GetPolicy,
    TagResource,
    UntagResource,
    ListTags,
    GetFunctionCodeSigningConfig,
    GetAccountSettings,
    PutFunctionEventInvokeConfig,
    UpdateFunctionEventInvokeConfig,
    GetFunctionEventInvokeConfig,
    DeleteFunctionEventInvokeConfig,
    ListFunctionEventInvokeConfigs,
    PutFunctionRecursionConfig,
    GetFunctionRecursionConfig,
    PutRuntimeManagementConfig,
    GetRuntimeManagementConfig,
    CreateEventSourceMapping,
    GetEventSourceMapping,
    ListEventSourceMappings,
    UpdateEventSourceMapping,
    DeleteEventSourceMapping,
}

/// Method, path and operation. A part in braces is a member of the request.
const ROUTES: &[(&str, &str, Operation)] = &[
    ("POST", "/2015-03-31/functions", Operation::CreateFunction),
    ("GET", "/2015-03-31/functions", Operation::ListFunctions),
    ("GET", "/2015-03-31/functions/{FunctionName}", Operation::GetFunction),
    ("DELETE", "/2015-03-31/functions/{FunctionName}", Operation::DeleteFunction),
    ("GET", "/2015-03-31/functions/{FunctionName}/configuration", Operation::GetFunctionConfiguration),
    ("PUT", "/2015-03-31/functions/{FunctionName}/configuration", Operation::UpdateFunctionConfiguration),
    ("PUT", "/2015-03-31/functions/{FunctionName}/code", Operation::UpdateFunctionCode),
    ("POST", "/2015-03-31/functions/{FunctionName}/invocations", Operation::Invoke),
    ("POST", "/2014-11-13/functions/{FunctionName}/invoke-async", Operation::InvokeAsync),
    ("POST", "/2015-03-31/functions/{FunctionName}/versions", Operation::PublishVersion),
    ("GET", "/2015-03-31/functions/{FunctionName}/versions", Operation::ListVersionsByFunction),
    ("POST", "/2015-03-31/functions/{FunctionName}/aliases", Operation::CreateAlias),
    ("GET", "/2015-03-31/functions/{FunctionName}/aliases", Operation::ListAliases),
    ("GET", "/2015-03-31/functions/{FunctionName}/aliases/{Name}", Operation::GetAlias),
    ("PUT", "/2015-03-31/functions/{FunctionName}/aliases/{Name}", Operation::UpdateAlias),
    ("DELETE", "/2015-03-31/functions/{FunctionName}/aliases/{Name}", Operation::DeleteAlias),
    ("PUT", "/2017-10-31/functions/{FunctionName}/concurrency", Operation::PutFunctionConcurrency),
    ("DELETE", "/2017-10-31/functions/{FunctionName}/concurrency", Operation::DeleteFunctionConcurrency),
    ("GET", "/2019-09-30/functions/{FunctionName}/concurrency", Operation::GetFunctionConcurrency),
    ("POST", "/2015-03-31/functions/{FunctionName}/policy", Operation::AddPermission),
    ("GET", "/2015-03-31/functions/{FunctionName}/policy", Operation::GetPolicy),
    ("DELETE", "/2015-03-31/functions/{FunctionName}/policy/{StatementId}", Operation::RemovePermission),
    ("POST", "/2017-03-31/tags/{Resource}", Operation::TagResource),
    ("DELETE", "/2017-03-31/tags/{Resource}", Operation::UntagResource),
    ("GET", "/2017-03-31/tags/{Resource}", Operation::ListTags),
    ("GET", "/2020-06-30/functions/{FunctionName}/code-signing-config", Operation::GetFunctionCodeSigningConfig),
    ("GET", "/2016-08-19/account-settings", Operation::GetAccountSettings),
    ("PUT", "/2019-09-25/functions/{FunctionName}/event-invoke-config", Operation::PutFunctionEventInvokeConfig),
    ("POST", "/2019-09-25/functions/{FunctionName}/event-invoke-config", Operation::UpdateFunctionEventInvokeConfig),
    ("GET", "/2019-09-25/functions/{FunctionName}/event-invoke-config", Operation::GetFunctionEventInvokeConfig),
    ("DELETE", "/2019-09-25/functions/{FunctionName}/event-invoke-config", Operation::DeleteFunctionEventInvokeConfig),
    ("GET", "/2019-09-25/functions/{FunctionName}/event-invoke-config/list", Operation::ListFunctionEventInvokeConfigs),
    ("PUT", "/2024-08-31/functions/{FunctionName}/recursion-config", Operation::PutFunctionRecursionConfig),
    ("GET", "/2024-08-31/functions/{FunctionName}/recursion-config", Operation::GetFunctionRecursionConfig),
    ("PUT", "/2021-07-20/functions/{FunctionName}/runtime-management-config", Operation::PutRuntimeManagementConfig),
    ("GET", "/2021-07-20/functions/{FunctionName}/runtime-management-config", Operation::GetRuntimeManagementConfig),
    ("POST", "/2015-03-31/event-source-mappings", Operation::CreateEventSourceMapping),
    ("GET", "/2015-03-31/event-source-mappings", Operation::ListEventSourceMappings),
    ("GET", "/2015-03-31/event-source-mappings/{UUID}", Operation::GetEventSourceMapping),
    ("PUT", "/2015-03-31/event-source-mappings/{UUID}", Operation::UpdateEventSourceMapping),
    ("DELETE", "/2015-03-31/event-source-mappings/{UUID}", Operation::DeleteEventSourceMapping),
];

/// What a request's head names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Routed {
    pub operation: Operation,
    /// Members in the path, unescaped.
    pub members: Vec<(&'static str, String)>,
}

impl Operation {
    /// As the model spells it, where an error text names it.
    pub fn name(self) -> &'static str {
        match self {
            Operation::CreateFunction => "CreateFunction",
            Operation::UpdateFunctionCode => "UpdateFunctionCode",
            Operation::Invoke => "InvokeFunction",
            Operation::InvokeAsync => "InvokeAsync",
            _ => "requested",
        }
    }

    /// Most bytes of the request's body: code makes them large.
    pub fn body_bytes_max(self) -> usize {
        match self {
            Operation::CreateFunction | Operation::UpdateFunctionCode => CODE_BODY_BYTES_MAX,
            Operation::Invoke | Operation::InvokeAsync => crate::operation::PAYLOAD_BYTES_MAX + (1 << 10),
            _ => BODY_BYTES_MAX,
        }
    }
}

/// 50 MB of code in base64, and some for the rest: what Lambda itself names in its refusal.
pub const CODE_BODY_BYTES_MAX: usize = 69_905_067;
/// Any other body.
const BODY_BYTES_MAX: usize = 1 << 20;

/// The operation of a method and a path as sent; `None`: there is none.
pub fn route(method: &str, path: &str) -> Option<Routed> {
    let parts: Vec<&str> = path.strip_prefix('/')?.trim_end_matches('/').split('/').collect();
    ROUTES.iter().filter(|(of, ..)| *of == method).find_map(|(_, pattern, operation)| {
        let members = matched(pattern, &parts)?;
        Some(Routed { operation: *operation, members })
    })
}

fn matched(pattern: &'static str, parts: &[&str]) -> Option<Vec<(&'static str, String)>> {
    let mut expected = pattern.strip_prefix('/')?.split('/');
    let mut members = Vec::new();
    for (position, part) in parts.iter().enumerate() {
        let expected = expected.next()?;
        match expected.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            None if expected == *part => {}
            None => return None,
            // The ARN of a tagged resource may stand there with its slashes unescaped.
            Some(name) if name == "Resource" => {
                members.push((name, unescaped(&parts.get(position..)?.join("/"))?));
                return Some(members);
            }
            Some(_) if part.is_empty() => return None,
            Some(name) => members.push((name, unescaped(part)?)),
        }
    }
    expected.next().is_none().then_some(members)
}

/// `%XX` become bytes, which must be UTF-8.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = behind;
    }
    String::from_utf8(bytes).ok()
}

/// The parameters of a query, unescaped; what is no UTF-8 is left out.
pub fn query(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let read = pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((unescaped(name)?, unescaped(&value.replace('+', " "))?))
    });
    read.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_operations_and_their_members() {
        let routed = |method, path| route(method, path).map(|routed| (routed.operation, routed.members));
        let function = |name: &str| vec![("FunctionName", name.to_owned())];
        for path in ["/2015-03-31/functions", "/2015-03-31/functions/"] {
            assert_eq!(routed("POST", path), Some((Operation::CreateFunction, vec![])));
            assert_eq!(routed("GET", path), Some((Operation::ListFunctions, vec![])));
        }
        assert_eq!(
            routed("GET", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af"),
            Some((Operation::GetFunction, function("arn:aws:lambda:us-east-1:000000000000:function:f")))
        );
        assert_eq!(routed("POST", "/2015-03-31/functions/f/invocations"), Some((Operation::Invoke, function("f"))));
        let alias = Some((Operation::GetAlias, vec![("FunctionName", "f".to_owned()), ("Name", "live".to_owned())]));
        assert_eq!(routed("GET", "/2015-03-31/functions/f/aliases/live"), alias);
        let tags = routed("GET", "/2017-03-31/tags/arn:aws:lambda:us-east-1:000000000000:function:f");
        assert_eq!(tags.map(|(operation, _)| operation), Some(Operation::ListTags));
        for (method, path) in [
            ("PATCH", "/2015-03-31/functions"),
            ("GET", "/2015-03-31/functionsx"),
            ("GET", "/2015-03-31/functions/f/aliases/live/more"),
            ("GET", "/2015-03-31/functions//configuration"),
            ("GET", "/2015-03-31/functions/%zz"),
            ("GET", "/2015-03-31/functions/%ff"),
            ("GET", ""),
            ("GET", "/"),
        ] {
            assert_eq!(routed(method, path), None, "{method} {path}");
        }
    }

    #[test]
    fn queries_are_unescaped() {
        let pairs = query("Qualifier=%24LATEST&MaxItems=10&&x&tagKeys=a+b&bad=%f");
        let expected = [("Qualifier", "$LATEST"), ("MaxItems", "10"), ("x", ""), ("tagKeys", "a b")];
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
