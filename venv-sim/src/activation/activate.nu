# Activates the environment that this file lies in:  overlay use path/to/bin/activate.nu
#
# For nu 0.101 and later, which says where a module lies: the file holds no path. What
# the overlay sets goes with it, so that `deactivate` restores all. Of two overlays
# with one name nu uses the first: leave one environment before the next. The file may
# be shared by hard link between environments, and is read-only then; replace it to
# change it.

export-env {
    const file = path self
    let root = ($file | path dirname | path dirname)
    let config = ($root | path join "pyvenv.cfg")
    if not ($config | path exists) {
        error make {msg: $"activate.nu: cannot tell which environment this is: no pyvenv.cfg in ($root)"}
    }

    # The prompt's name: the one asked for at creation, else the directory's.
    let asked = (
        open --raw $config | decode utf-8 | lines
        | parse --regex "^prompt = (?<quote>['\"])(?<name>.*)\\k<quote>$"
    )
    let name = if ($asked | is-empty) {
        $root | path basename
    } else {
        $asked | last | get name | str replace --all --regex '\\(.)' '$1'
    }

    # Of an environment before, what was there before that.
    let path = ($env._OLD_VIRTUAL_PATH? | default $env.PATH)
    load-env {
        VIRTUAL_ENV: $root
        VIRTUAL_ENV_PROMPT: $name
        _OLD_VIRTUAL_PATH: $path
        PATH: ($path | split row (char esep) | prepend ($root | path join "bin"))
        PYTHONHOME: null # which no program sees
    }

    if ($env.VIRTUAL_ENV_DISABLE_PROMPT? | is-empty) {
        let prompt = if "_OLD_VIRTUAL_PROMPT" in $env {
            $env._OLD_VIRTUAL_PROMPT
        } else if "PROMPT_COMMAND" in $env {
            $env.PROMPT_COMMAND
        } else {
            ""
        }
        # A control character would act on the terminal.
        let shown = ("(" + ($name | str replace --all --regex '\p{Cc}' "_") + ") ")
        load-env {
            _OLD_VIRTUAL_PROMPT: $prompt
            PROMPT_COMMAND: {||
                $shown + (if ($prompt | describe) == "closure" { do $prompt } else { $prompt })
            }
        }
    }
}

export alias deactivate = overlay hide activate
