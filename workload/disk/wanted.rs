//! What a guest with a disk is told: one file, read by its init and written by the lab, who both
//! compile this.
//!
//! Records of a letter, a text and a zero byte, which no argument, variable or path can hold. In
//! the initramfs it is `/isolab/wanted`, what one start asks for; on the disk it is
//! `/.isolab/wanted`, what the image says itself.

/// A file of the host that the guest finds on its disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brought {
    /// Its mode, of which the permissions count.
    pub mode: u32,
    /// Its path in the guest, absolute.
    pub path: String,
}

/// What a guest runs, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The program and its arguments.
    pub args: Vec<String>,
    /// Its environment, `KEY=value`.
    pub env: Vec<String>,
    /// Its directory; made where it is missing.
    pub cwd: String,
    /// Its user's number.
    pub uid: u32,
    /// Its group's number.
    pub gid: u32,
    /// Further groups' numbers.
    pub groups: Vec<u32>,
    /// The guest's name.
    pub hostname: String,
    /// Whether it has a network.
    pub network: bool,
    /// Whether its standard streams are somebody's terminal.
    pub terminal: bool,
    /// Files of the host: the first is `/isolab/files/0` in the initramfs, and so on.
    pub files: Vec<Brought>,
}

impl Wanted {
    /// It as a file.
    ///
    /// # Errors
    /// The text that cannot be told, where one holds a zero byte.
    pub fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let mut put = |tag: u8, text: &str| {
            if text.contains('\0') {
                return Err(text.to_owned());
            }
            bytes.push(tag);
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(0);
            Ok(())
        };
        for text in &self.args {
            put(b'a', text)?;
        }
        for text in &self.env {
            put(b'e', text)?;
        }
        put(b'd', &self.cwd)?;
        put(b'u', &self.uid.to_string())?;
        put(b'g', &self.gid.to_string())?;
        for group in &self.groups {
            put(b'G', &group.to_string())?;
        }
        put(b'h', &self.hostname)?;
        if self.network {
            put(b'n', "")?;
        }
        if self.terminal {
            put(b't', "")?;
        }
        for file in &self.files {
            put(b'f', &format!("{:o}:{}", file.mode, file.path))?;
        }
        Ok(bytes)
    }

    /// What such a file says; nothing where it says something else or breaks off.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut wanted = Self::default();
        let records = match bytes {
            [] => return Some(wanted),
            [records @ .., 0] => records,
            _ => return None,
        };
        for record in records.split(|&byte| byte == 0) {
            let (tag, text) = record.split_first()?;
            let text = std::str::from_utf8(text).ok()?;
            match tag {
                b'a' => wanted.args.push(text.to_owned()),
                b'e' => wanted.env.push(text.to_owned()),
                b'd' => text.clone_into(&mut wanted.cwd),
                b'u' => wanted.uid = text.parse().ok()?,
                b'g' => wanted.gid = text.parse().ok()?,
                b'G' => wanted.groups.push(text.parse().ok()?),
                b'h' => text.clone_into(&mut wanted.hostname),
                b'n' => wanted.network = true,
                b't' => wanted.terminal = true,
                b'f' => {
                    let (mode, path) = text.split_once(':')?;
                    wanted.files.push(Brought {
                        mode: u32::from_str_radix(mode, 8).ok()?,
                        path: path.to_owned(),
                    });
                }
                _ => return None,
            }
        }
        Some(wanted)
    }
}
