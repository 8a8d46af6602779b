//! Lists in pages: `limit` says how much, `cursor` from where on, and the answer's `Link` names the
//! next page (RFC 8288). A cursor is the last thing's name, so that a page begins where the one
//! before ended, whatever came or went meanwhile.

use axum::{
    Json,
    http::{HeaderValue, Uri, header::LINK},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use starling_proto::Code;

use super::Problem;

/// Most things of a page: 10,000 rooms are 3 MB.
pub(crate) const MAX: usize = 10_000;
/// As many as come if nobody says: a cluster of most people fits, and a big one does not hurt.
const DEFAULT: usize = 1_000;

/// Query of a list.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// At most so many; 1,000 if absent.
    #[param(minimum = 1, maximum = 10_000)]
    limit: Option<usize>,
    /// From the Link header of the page before.
    cursor: Option<String>,
}

/// A page, and where the next one begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cut<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<String>,
}

impl Page {
    /// Cuts the page out of a list, in the order of its things' names.
    ///
    /// # Errors
    /// `bad_request`.
    pub(crate) fn cut<T, K>(
        &self,
        mut items: Vec<T>,
        name: impl Fn(&T) -> K,
    ) -> Result<Cut<T>, Problem>
    where
        K: AsRef<str> + Ord,
    {
        let limit = self.limit.unwrap_or(DEFAULT);
        if !(1..=MAX).contains(&limit) {
            let message = format!("'limit' is 1 to {MAX}");
            return Err(Problem::new(Code::BadRequest, message)
                .hint("the Link header of an answer names the next page"));
        }
        items.sort_by_cached_key(&name);
        if let Some(cursor) = &self.cursor {
            let after = read(cursor).ok_or_else(|| {
                Problem::new(Code::BadRequest, "'cursor' is none of this API's")
                    .hint("take it from the Link header of the page before, or leave it out")
            })?;
            items.retain(|item| name(item).as_ref() > after.as_str());
        }
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| more).map(|item| write(name(item).as_ref()));
        Ok(Cut { items, next: last })
    }
}

fn write(name: &str) -> String {
    URL_SAFE_NO_PAD.encode(name)
}

fn read(cursor: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()
}

impl<T: Serialize> Cut<T> {
    /// The page as an answer to who asked for `uri`.
    pub(crate) fn answer(self, uri: &Uri) -> Response {
        let link = self.link(uri);
        linked(Json(self.items).into_response(), link)
    }
}

impl<T> Cut<T> {
    /// The `Link` header of the answer.
    pub(crate) fn link(&self, uri: &Uri) -> Option<HeaderValue> {
        let next = self.next.as_ref()?;
        let rest = uri.query().unwrap_or_default().split('&');
        let rest = rest.filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
        let query: String = rest.map(|pair| format!("{pair}&")).collect();
        let link = format!("<{}?{query}cursor={next}>; rel=\"next\"", uri.path());
        HeaderValue::from_str(&link).ok()
    }
}

/// An answer with its `Link`.
pub(crate) fn linked(mut response: Response, link: Option<HeaderValue>) -> Response {
    if let Some(link) = link {
        response.headers_mut().insert(LINK, link);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(limit: Option<usize>, cursor: Option<&str>) -> Page {
        Page { limit, cursor: cursor.map(str::to_owned) }
    }

    fn cut(page: &Page, items: &[&'static str]) -> Cut<&'static str> {
        page.cut(items.to_vec(), |item| *item).unwrap()
    }

    #[test]
    fn pages_follow_each_other_whatever_comes_or_goes() {
        let first = cut(&page(Some(2), None), &["d", "b", "a", "c"]);
        assert_eq!(first.items, ["a", "b"]);
        let next = first.next.unwrap();
        // b has gone, aa came too late for the first page, bb in time for the second.
        let second = cut(&page(Some(2), Some(&next)), &["a", "aa", "bb", "c", "d"]);
        assert_eq!(second.items, ["bb", "c"]);
        let last = cut(&page(Some(2), second.next.as_deref()), &["a", "d"]);
        assert_eq!(last, Cut { items: vec!["d"], next: None });
    }

    #[test]
    fn a_list_that_fits_has_no_next_page_and_nonsense_is_refused() {
        assert_eq!(cut(&page(Some(2), None), &["a", "b"]).next, None);
        assert_eq!(cut(&page(None, None), &[]).next, None);
        for bad in [page(Some(0), None), page(Some(MAX + 1), None), page(None, Some("ä"))] {
            assert!(bad.cut(vec!["a"], |item| *item).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_link_keeps_the_rest_of_the_query() {
        let cut = Cut { items: vec![1], next: Some("YQ".to_owned()) };
        let link = |uri: &str| cut.link(&uri.parse().unwrap()).unwrap();
        assert_eq!(link("/v1/rooms"), "</v1/rooms?cursor=YQ>; rel=\"next\"");
        let again = link("/v1/rooms?cursor=x&limit=1");
        assert_eq!(again, "</v1/rooms?limit=1&cursor=YQ>; rel=\"next\"");
        assert_eq!(Cut { items: vec![1], next: None }.link(&"/".parse().unwrap()), None);
    }
}
