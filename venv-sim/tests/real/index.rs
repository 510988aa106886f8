//! Servers with certificates, and the index that this machine's own pip would ask.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use venv_sim::index::{Inputs, Variables, variables_of_process};
use venv_sim::{
    Cache, Catalogue, Error, Index, IndexFlags, IndexSettings, Kind, Name, Offer, Trouble,
};

use crate::machine::{any_python, expect, output, program, scratch, trial};

pub(crate) fn trials() -> Vec<Trial> {
    let no_openssl = || {
        program("openssl")
            .is_none()
            .then(|| "there is no openssl".to_owned())
    };
    let quickly = IndexFlags {
        timeout: Some(Duration::from_secs(3)),
        ..IndexFlags::default()
    };
    let asked = index_of_machine(&quickly, &Cache::none()).and_then(|index| {
        index
            .offers(&name("six"))
            .map_err(|error| error.to_string())
    });
    let missing = asked.err();
    vec![
        trial(
            "a_server_is_asked_only_if_who_vouches_for_it_is_trusted",
            no_openssl(),
            certificates,
        ),
        trial(
            "a_certificate_for_another_name_proves_nothing",
            no_openssl(),
            another_name,
        ),
        trial(
            "the_index_of_this_machine_s_pip_gives_a_wheel_and_its_metadata",
            missing.clone(),
            known_wheel,
        ),
        trial(
            "the_index_of_this_machine_s_pip_is_not_asked_without_proof",
            missing.clone(),
            wrong_authority,
        ),
        trial(
            "metadata_of_popular_wheels_is_had_without_the_wheels",
            missing,
            popular,
        ),
    ]
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

/// A certificate for `host`, made by itself, and its key.
fn certificate(directory: &Path, host: &str) -> Result<(), Failed> {
    let mut openssl = Command::new("openssl");
    openssl
        .current_dir(directory)
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"]);
    openssl.args([
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=test",
    ]);
    openssl.args(["-addext", &format!("subjectAltName={host}")]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    openssl.args(["-keyout", "key.pem", "-out", "cert.pem"]);
    output(&mut openssl).map(|_| ())
}

/// Answers each connection with an empty page of `a`.
fn serve(directory: &Path) -> Result<SocketAddr, Failed> {
    let certificate = CertificateDer::from_pem_file(directory.join("cert.pem"))?;
    let key = PrivateKeyDer::from_pem_file(directory.join("key.pem"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Ok(connection) = rustls::ServerConnection::new(Arc::clone(&config)) else {
                return;
            };
            let mut stream = rustls::StreamOwned::new(connection, stream);
            let _ = stream.read(&mut [0; 4096]);
            let page = r#"{"meta": {"api-version": "1.0"}, "name": "a", "files": []}"#;
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.pypi.simple.v1+json\r\n";
            let length = page.len();
            let _ = write!(
                stream,
                "{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{page}"
            );
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    Ok(address)
}

fn asked(address: SocketAddr, flags: IndexFlags, variables: &Variables) -> Result<(), Error> {
    let root = scratch();
    let inputs = Inputs {
        environment: None,
        stdlib: None,
        variables,
        command: "install",
        root: root.path(),
    };
    let flags = IndexFlags {
        index_url: Some(format!("https://{address}/simple/")),
        retries: Some(0),
        timeout: Some(Duration::from_secs(10)),
        ..flags
    };
    let index = Index::new(IndexSettings::of(&inputs, &flags)?, &Cache::none());
    index.offers(&name("a")).map(|_| ())
}

fn is_untrusted(result: &Result<(), Error>) -> bool {
    matches!(
        result,
        Err(Error::Index {
            cause: Trouble::Untrusted(_),
            ..
        })
    )
}

fn certificates() -> Result<(), Failed> {
    let directory = scratch();
    certificate(directory.path(), "IP:127.0.0.1")?;
    let address = serve(directory.path())?;
    let other = scratch();
    certificate(other.path(), "IP:127.0.0.1")?;
    let cert = |directory: &Path| Some(directory.join("cert.pem"));
    let none = Variables::new();
    let nobody = IndexFlags::default;

    let refused = asked(
        address,
        IndexFlags {
            cert: cert(other.path()),
            ..nobody()
        },
        &none,
    );
    expect("another authority", &is_untrusted(&refused), &true)?;
    let hint = refused
        .err()
        .and_then(|error| error.hint())
        .unwrap_or_default();
    expect("the remedy names --cert", &hint.contains("--cert"), &true)?;
    let refused = asked(address, nobody(), &none);
    expect("no authority at all", &is_untrusted(&refused), &true)?;

    asked(
        address,
        IndexFlags {
            cert: cert(directory.path()),
            ..nobody()
        },
        &none,
    )?;
    let host = vec!["127.0.0.1".to_owned()];
    asked(
        address,
        IndexFlags {
            trusted_hosts: host,
            ..nobody()
        },
        &none,
    )?;
    for variable in ["PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"] {
        let path = directory.path().join("cert.pem").display().to_string();
        asked(
            address,
            nobody(),
            &Variables::from([(variable.to_owned(), path)]),
        )?;
    }
    fs::remove_file(directory.path().join("key.pem"))?;
    let path = directory.path().display().to_string();
    asked(
        address,
        nobody(),
        &Variables::from([("SSL_CERT_DIR".to_owned(), path)]),
    )?;

    let empty = directory.path().join("empty.pem");
    fs::write(&empty, "")?;
    let refused = asked(
        address,
        IndexFlags {
            cert: Some(empty),
            ..nobody()
        },
        &none,
    );
    expect(
        "a file without certificates",
        &is_untrusted(&refused),
        &true,
    )
}

fn another_name() -> Result<(), Failed> {
    let directory = scratch();
    certificate(directory.path(), "DNS:index.test")?;
    let address = serve(directory.path())?;
    let flags = IndexFlags {
        cert: Some(directory.path().join("cert.pem")),
        ..IndexFlags::default()
    };
    expect(
        "another name",
        &is_untrusted(&asked(address, flags, &Variables::new())),
        &true,
    )
}

/// The index that the pip of this machine's interpreter would ask.
fn index_of_machine(flags: &IndexFlags, cache: &Cache) -> Result<Index, String> {
    let python = any_python()?;
    let variables = variables_of_process();
    let inputs = Inputs {
        environment: None,
        stdlib: Some(&python.stdlib),
        variables: &variables,
        command: "download",
        root: Path::new("/"),
    };
    let flags = IndexFlags {
        retries: Some(2),
        timeout: flags.timeout.or(Some(Duration::from_secs(20))),
        ..flags.clone()
    };
    let settings = IndexSettings::of(&inputs, &flags).map_err(|error| error.to_string())?;
    match settings.indexes().is_empty() {
        true => Err("no index is asked on this machine".to_owned()),
        false => Ok(Index::new(settings, cache)),
    }
}

fn wheel(index: &Index, project: &str, file: &str) -> Result<Offer, Failed> {
    let offers = index.offers(&name(project))?;
    let found = offers.into_iter().find(|offer| offer.file_name == file);
    found.ok_or_else(|| format!("there is no {file}").into())
}

fn known_wheel() -> Result<(), Failed> {
    let (home, files) = (scratch(), scratch());
    let index = index_of_machine(&IndexFlags::default(), &Cache::at(home.path()))?;
    let offer = wheel(&index, "six", "six-1.16.0-py2.py3-none-any.whl")?;
    let metadata = index.metadata(&offer)?;
    expect("name", &metadata.name.as_str(), &"six")?;
    expect("needs nothing", &metadata.requires.len(), &0)?;
    let path = index.fetch(&offer, files.path())?;
    let opened = venv_sim::wheel::Wheel::open(&path)?;
    expect(
        "version",
        &opened.metadata.version.to_string(),
        &"1.16.0".to_owned(),
    )?;
    // What everybody's lock files have had for it since 2021.
    let known = "8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254";
    let known = venv_sim::wheel::Digest::from_hex("sha256", known)?;
    expect("digest", &known.is_of(&fs::read(path)?), &true)
}

fn wrong_authority() -> Result<(), Failed> {
    if program("openssl").is_none() {
        return Err("openssl is needed to make another authority".into());
    }
    let directory = scratch();
    certificate(directory.path(), "DNS:index.test")?;
    let flags = IndexFlags {
        cert: Some(directory.path().join("cert.pem")),
        ..IndexFlags::default()
    };
    let index = index_of_machine(&flags, &Cache::none())?;
    let is_https = index
        .settings()
        .indexes()
        .iter()
        .all(|index| index.starts_with("https:"));
    let refused = index.offers(&name("six")).map(|_| ());
    expect("refused", &(is_untrusted(&refused) || !is_https), &true)
}

fn popular() -> Result<(), Failed> {
    let (home, files) = (scratch(), scratch());
    let index = index_of_machine(&IndexFlags::default(), &Cache::at(home.path()))?;
    let projects = [
        "django",
        "djangorestframework",
        "numpy",
        "cryptography",
        "requests",
        "flask",
    ]
    .map(name);
    index.expect(&projects);
    for project in &projects {
        let offers = index.offers(project)?;
        let wheels = offers
            .iter()
            .filter(|offer| matches!(offer.kind, Kind::Wheel(_)));
        let newest = wheels.max_by_key(|offer| offer.version().clone());
        let newest = newest.ok_or_else(|| format!("no wheel of {project}"))?;
        let metadata = index.metadata(newest)?;
        expect(
            "name and version",
            &(&metadata.name, &metadata.version),
            &(project, newest.version()),
        )?;
    }
    // The smallest of their wheels says of itself what its METADATA alone said.
    let offers = index.offers(&name("flask"))?;
    let offer = offers
        .iter()
        .filter(|offer| matches!(offer.kind, Kind::Wheel(_)))
        .min_by_key(|offer| offer.size);
    let offer = offer.ok_or("no wheel of flask")?;
    let alone = index.metadata(offer)?;
    let path = index.fetch(offer, files.path())?;
    expect(
        "the same",
        &venv_sim::wheel::Wheel::open(&path)?.metadata,
        &alone,
    )
}
