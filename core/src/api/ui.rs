use axum::{
    Router,
    body::Body,
    extract::Path,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Redirect, Response},
    routing::get,
};

use super::{router::wrong_method, wire::ProblemDetails};

/// A file of the web UI.
#[derive(Debug)]
pub(super) struct File {
    /// Its name under `/ui/`.
    name: &'static str,
    /// Its content type.
    kind: &'static str,
    bytes: &'static [u8],
}

/// The files that were there when the core was built; none without `ui/dist`.
pub(super) static EMBEDDED: &[File] = include!(concat!(env!("OUT_DIR"), "/ui.rs"));

/// What a browser lets the pages do: only what comes from this address, and no scripts but files.
/// What a server wrote cannot become markup that acts.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// Returns the routes of these files. They hold no data and want no credential. A file is found by
/// its name in a table: there is no path that could lead elsewhere.
pub(super) fn routes<S: Clone + Send + Sync + 'static>(files: &'static [File]) -> Router<S> {
    let index = move || std::future::ready(answer(files, "index.html"));
    let file = move |Path(name): Path<String>| std::future::ready(answer(files, &name));
    Router::new()
        .route(
            "/ui",
            get(|| std::future::ready(Redirect::permanent("/ui/"))),
        )
        .route("/ui/", get(index))
        .route("/ui/{*name}", get(file))
        .method_not_allowed_fallback(wrong_method)
}

fn answer(files: &'static [File], name: &str) -> Response {
    let Some(file) = files.iter().find(|file| file.name == name) else {
        return nothing(files.is_empty()).into_response();
    };
    let mut response = Response::new(Body::from(file.bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.kind));
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // Another version may listen here next.
        (header::CACHE_CONTROL, "no-cache"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn nothing(is_empty: bool) -> Box<ProblemDetails> {
    let (kind, detail, remedy) = if is_empty {
        (
            "no-ui",
            "the web UI was not built into this core",
            "Build the UI first and the core then, or use the command line: narthex servers",
        )
    } else {
        ("not-found", "the web UI has no such file", "Begin at /ui/.")
    };
    ProblemDetails::new(StatusCode::NOT_FOUND, kind, detail, remedy)
}

#[cfg(test)]
mod tests {
    use axum::{body::to_bytes, extract::Request, http::Method};
    use tower_service::Service as _;

    use super::*;

    static FILES: &[File] = &[
        File {
            name: "assets/app.js",
            kind: "text/javascript; charset=utf-8",
            bytes: b"run()",
        },
        File {
            name: "index.html",
            kind: "text/html; charset=utf-8",
            bytes: b"<!doctype html>",
        },
    ];

    #[tokio::test]
    async fn the_files_are_served_with_what_keeps_them_in() {
        for (path, kind, body) in [
            ("/ui/", "text/html; charset=utf-8", "<!doctype html>"),
            (
                "/ui/index.html",
                "text/html; charset=utf-8",
                "<!doctype html>",
            ),
            (
                "/ui/assets/app.js",
                "text/javascript; charset=utf-8",
                "run()",
            ),
        ] {
            let response = ask(FILES, Method::GET, path).await;
            assert_eq!(response.status(), 200, "{path}");
            let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
            assert_eq!(header("content-type"), kind);
            assert!(
                header("content-security-policy")
                    .starts_with("default-src 'none'; script-src 'self'; style-src")
            );
            assert_eq!(header("x-content-type-options"), "nosniff");
            assert_eq!(header("referrer-policy"), "no-referrer");
            assert_eq!(header("cache-control"), "no-cache");
            assert_eq!(header("cross-origin-opener-policy"), "same-origin");
            let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
            assert_eq!(bytes, body);
        }
        let moved = ask(FILES, Method::GET, "/ui").await;
        assert_eq!(moved.status(), 308);
        assert_eq!(moved.headers()["location"], "/ui/");
    }

    #[tokio::test]
    async fn nothing_else_is() {
        for path in [
            "/ui/other.html",
            "/ui/assets",
            "/ui/assets/",
            "/ui//index.html",
            "/ui/../narthex.json",
            "/ui/%2e%2e/narthex.json",
            "/ui/..%2f..%2fetc%2fpasswd",
            "/ui/assets/..%2findex.html",
            "/ui/index.html%00",
        ] {
            let response = ask(FILES, Method::GET, path).await;
            assert_eq!(response.status(), 404, "{path}");
        }
        assert_eq!(ask(FILES, Method::POST, "/ui/").await.status(), 405);
    }

    #[tokio::test]
    async fn a_core_without_it_says_so() {
        for path in ["/ui/", "/ui/index.html"] {
            let response = ask(&[], Method::GET, path).await;
            assert_eq!(response.status(), 404);
            let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
            let problem: ProblemDetails = serde_json::from_slice(&body).unwrap();
            assert_eq!(problem.kind, "urn:narthex:no-ui");
        }
    }

    async fn ask(files: &'static [File], method: Method, path: &str) -> Response {
        let request = Request::builder().method(method).uri(path);
        let request = request.body(Body::empty()).unwrap();
        let mut routes: Router = routes(files);
        routes.call(request).await.unwrap()
    }
}
