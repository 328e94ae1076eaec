//! The list of single calls: filters in the address, the reason apart from it, pages, and a file of everything.

use crate::browser;

/// The ids of the calls that a page lists.
fn listed(page: &str) -> Vec<String> {
    let links = page.split("action=\"/calls/").skip(1);
    links.map(|rest| rest.split('"').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_list_is_a_link_goes_on_page_by_page_and_says_so() {
    let site = browser::site("");
    site.add("kim", &["quality"]);
    site.add("adm", &["admin"]);
    let kim = site.sign_in("kim");
    let quarters = ["2026-Q3", "2026-Q4"].map(|quarter| {
        let csv =
            site.post(&format!("/calls?period={quarter}&origin=test"), &kim, "reason=complaint+12&as=csv");
        assert_eq!(csv.header("content-disposition"), "attachment; filename=\"calls.csv\"");
        (quarter, csv.text().lines().count() - 1)
    });
    let (period, all) = quarters.into_iter().max_by_key(|(_, rows)| *rows).expect("two");
    assert!(all > 400, "{all} calls make more than two pages");
    let mut address = format!("/calls?origin=test&period={period}");
    let (mut seen, mut pages) = (Vec::new(), 0);
    loop {
        let page = site.post(&address, &kim, "reason=complaint+12");
        assert_eq!(page.status, 200, "{}", page.text());
        let text = page.text();
        seen.extend(listed(&text));
        pages += 1;
        let Some(next) = text.split("<form class=\"more\" method=\"post\" action=\"").nth(1) else {
            assert!(text.contains("That is all of them"), "{text}");
            break;
        };
        assert!(text.contains("200 calls, the latest first. More follow"), "{text}");
        let next = next.split('"').next().unwrap_or_default().replace("&#38;", "&").replace("&amp;", "&");
        assert!(!next.contains("complaint"), "the reason is in no address: {next}");
        address = next;
    }
    let listed_all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(
        (seen.len(), listed_all),
        (all, all),
        "each once, and all that the file has, on {pages} pages"
    );

    let one =
        site.get("/calls?period=2026-Q4&agent=agent-03&ref=C-7&origin=test&outcome=partial", &kim).text();
    for kept in ["value=\"agent-03\"", "value=\"C-7\"", "value=\"2026-Q4\" selected", "\"partial\" selected"]
    {
        assert!(one.contains(kept), "{kept} is filled in: {one}");
    }
    let partial =
        site.post(&format!("/calls?period={period}&outcome=partial"), &kim, "reason=complaint+12").text();
    assert!(partial.contains("Partly answered") && !partial.contains("<td>Complete</td>"), "{partial}");
    for (wrong, told) in [("period=soon", "is no period"), ("agent=a%01b", "No name"), ("ref=%01", "No name")]
    {
        let address = format!("/calls?{wrong}&queue=billing");
        for reply in [site.get(&address, &kim), site.post(&address, &kim, "reason=complaint+12")] {
            assert_eq!(reply.status, 400, "{wrong}");
            let text = reply.text();
            assert!(text.contains(told) && text.contains("value=\"billing\""), "{wrong}: kept, told: {text}");
        }
    }
    let short = site.post("/calls?queue=billing", &kim, "reason=ab");
    assert_eq!(short.status, 400);
    assert!(short.text().contains("4 to 200") && short.text().contains("value=\"ab\""), "{}", short.text());
    let no_reason = site.post(&format!("/calls/{}", seen[0]), &kim, "reason=");
    assert!(no_reason.status == 400 && no_reason.text().contains("4 to 200"), "{}", no_reason.text());
    assert!(site.post("/why", &kim, "reason=a").text().contains("4 to 200"));
    let log = site.get("/audit?what=calls", &site.sign_in("adm")).text();
    assert!(
        log.contains("from 2026-") && log.contains("T00:00:00Z") && log.contains("complaint 12"),
        "{log}"
    );
}
