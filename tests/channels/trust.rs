//! Whom do we believe to be Slack or PagerDuty? By the certificate and the system's store, and through a proxy.

use std::process::Command;

use super::fault_server::{Ca, Certificate, FaultServer, Step};
use super::{HOOK, LONG, ask, slack};

/// Asks the webhook that the environment names, in a process whose environment a test has set.
#[test]
#[ignore = "run by other tests, in a process of its own"]
fn asks_the_webhook_of_the_environment() {
    let url = std::env::var("PLMS_TEST_WEBHOOK").expect("run by another test");
    println!("ANSWER {:?}", ask(&*slack(&url), "", LONG));
}

/// What a process with these variables makes of the webhook.
#[track_caller]
fn ask_in_environment(url: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--ignored", "--nocapture", "trust::asks_the_webhook_of_the_environment"]);
    command.env_clear().env("PLMS_TEST_WEBHOOK", url).envs(variables.iter().copied());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let answer =
        text.lines().find_map(|line| line.split_once("ANSWER ")).map(|(_, answer)| answer.to_owned());
    answer.unwrap_or_else(|| panic!("{command:?}\n{text}\n{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn a_companys_own_ca_is_trusted_through_the_systems_store() {
    let (folder, ca) = (tempfile::tempdir().unwrap(), Ca::new());
    let store = folder.path().join("ca.pem");
    ca.write(&store);
    let trusted = [("SSL_CERT_FILE", store.to_str().unwrap())];
    let server = FaultServer::start_tls(vec![Step::answer(200, "ok")], &ca, Certificate::Good);
    assert_eq!(ask_in_environment(&server.at(HOOK), &trusted), r#"Accepted("200 ok: ok")"#);
    assert_eq!(server.requests()[0].path, HOOK);
}

#[test]
fn a_certificate_that_is_wrong_gets_no_secret_and_the_reason_is_said() {
    let (folder, ca) = (tempfile::tempdir().unwrap(), Ca::new());
    let store = folder.path().join("ca.pem");
    ca.write(&store);
    let trusted = [("SSL_CERT_FILE", store.to_str().unwrap())];
    for (certificate, why) in [
        (Certificate::OtherHost, "its certificate is not for this host"),
        (Certificate::Expired, "its certificate has expired"),
        (Certificate::NotYet, "its certificate is not valid yet; is the clock of this host right?"),
        (
            Certificate::SelfSigned,
            "its certificate is from a CA that this host does not trust; is that CA in the system's store?",
        ),
    ] {
        let server = FaultServer::start_tls(vec![Step::answer(200, "ok")], &ca, certificate);
        let want = format!("Later {{ why: \"cannot reach localhost: {why}\", after: None }}");
        assert_eq!(ask_in_environment(&server.at(HOOK), &trusted), want);
        assert!(server.requests().is_empty(), "{certificate:?}");
    }
    let other = Ca::new();
    let server = FaultServer::start_tls(vec![Step::answer(200, "ok")], &other, Certificate::Good);
    let answer = ask_in_environment(&server.at(HOOK), &trusted);
    assert!(
        answer.contains("that this host does not trust"),
        "the CA has the name of a trusted one: {answer}"
    );
    // Plain HTTP where TLS should be.
    let server =
        FaultServer::start(vec![Step::hang_before_answering(), Step::raw("HTTP/1.1 400 Bad\r\n\r\n")]);
    let url = server.at(HOOK).replace("http://", "https://");
    drop(server);
    assert!(ask_in_environment(&url, &trusted).contains("cannot reach 127.0.0.1"));
    let none = [("SSL_CERT_FILE", "/nowhere"), ("SSL_CERT_DIR", "/nowhere")];
    let answer = ask_in_environment("https://localhost:1/CANARY", &none);
    assert!(answer.starts_with("Unusable") && answer.contains("ca-certificates"), "{answer}");
    // Without any CA, loopback is reached all the same.
    let server = FaultServer::start(vec![Step::answer(200, "ok")]);
    assert_eq!(ask_in_environment(&server.at(HOOK), &none), r#"Accepted("200 ok: ok")"#);
}

#[test]
fn a_proxy_is_asked_for_a_way_and_told_no_secret() {
    let proxy = FaultServer::start(vec![Step::answer(403, "no way for xxCANARYxx")]);
    let variables = [("HTTPS_PROXY", proxy.url()), ("HTTP_PROXY", proxy.url()), ("ALL_PROXY", proxy.url())];
    let variables: Vec<_> = variables.iter().map(|(name, url)| (*name, url.as_str())).collect();
    let answer = ask_in_environment(&format!("https://hooks.example{HOOK}"), &variables);
    assert!(answer.starts_with("Later"), "{answer}");
    let [request] = &proxy.requests()[..] else { panic!("one: {:?}", proxy.requests()) };
    assert_eq!((request.method.as_str(), request.path.as_str()), ("CONNECT", "hooks.example:443"));
    // Loopback is never behind a proxy.
    let server = FaultServer::start(vec![Step::answer(200, "ok")]);
    assert_eq!(ask_in_environment(&server.at(HOOK), &variables), r#"Accepted("200 ok: ok")"#);
    assert_eq!(proxy.connections(), 1);
    let gone = "http://user:CANARYpass@127.0.0.1:1";
    let answer = ask_in_environment(&format!("https://hooks.example{HOOK}"), &[("HTTPS_PROXY", gone)]);
    assert!(answer.starts_with("Later") && answer.contains("connection refused"), "{answer}");
}
