//! A registry that breaks an upload off, or wants it elsewhere.

use super::*;

/// Stands before a server and cuts the first long upload off.
fn cutting(before: &str, at: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let before = before.to_owned();
    let has_cut = Arc::new(Mutex::new(false));
    thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let far = TcpStream::connect(&before).unwrap();
            let (mut back_from, mut back_to) =
                (far.try_clone().unwrap(), near.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut back_from, &mut back_to));
            let has_cut = Arc::clone(&has_cut);
            let (mut near, mut far) = (near, far);
            thread::spawn(move || {
                let (mut passed, mut piece) = (0, vec![0; 64 << 10]);
                while let Ok(count @ 1..) = near.read(&mut piece) {
                    if far.write_all(&piece[..count]).is_err() {
                        break;
                    }
                    passed += count;
                    let mut has_cut = has_cut.lock().unwrap();
                    if passed > at && !*has_cut {
                        *has_cut = true;
                        break;
                    }
                }
                let _ = near.shutdown(Shutdown::Both);
                let _ = far.shutdown(Shutdown::Both);
            });
        }
    });
    address
}

pub(super) fn upload_goes_on() {
    let (ours, here) = (Ours::start(), place());
    let target = image(&here.store, &[9], 8 << 20);
    let address = cutting(&ours.address, 4 << 20);
    let reference = name(&format!("{address}/app:v1"));
    let told = Told::default();
    let pushed = client()
        .push(&here.store, &target, &reference, &told)
        .unwrap();
    assert_eq!(
        ours.store
            .tagged(&name("app:v1"))
            .unwrap()
            .unwrap()
            .descriptor,
        target
    );
    assert_eq!(told.waits.lock().unwrap().len(), 1);
    let layer = pushed
        .blobs
        .iter()
        .max_by_key(|blob| blob.descriptor.size)
        .unwrap();
    let again = layer.moved - layer.descriptor.size;
    // What was on its way when it broke off, and no more.
    assert!(again < 6 << 20, "{again} bytes went twice");
    assert_eq!(ours.count("PATCH"), 2);
    assert_eq!(ours.count("GET /v2/app/blobs/uploads/"), 1);
}

pub(super) fn upload_elsewhere() {
    let elsewhere = Liar::start(|_, stream| reply(stream, "201 Created", "", b""));
    let place_there = format!("location: http://{}/upload\r\n", elsewhere.address);
    let liar = Liar::start(move |asked, stream| {
        if !admitted(asked, stream) {
            return;
        }
        if asked.is("POST") {
            reply(stream, "202 Accepted", &place_there, b"");
        } else if asked.is("PUT") {
            reply(stream, "201 Created", "", b"");
        } else {
            reply(stream, "404 Not Found", "", b"");
        }
    });
    let (home, here) = (tempfile::tempdir().unwrap(), place());
    let target = image(&here.store, &[1], 1000);
    let client = knowing(&liar.address, home.path());
    client
        .push(&here.store, &target, &liar.reference(), &())
        .unwrap();
    assert_eq!(elsewhere.count("PUT"), 2);
    assert_eq!(elsewhere.header("authorization"), [""; 0]);
}
