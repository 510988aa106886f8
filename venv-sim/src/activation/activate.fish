# Activates the environment that this file lies in:  source path/to/bin/activate.fish
#
# The file holds no path: fish says where it was read from. It may be shared by
# hard link between environments, and is read-only then; replace it to change it.

function deactivate -d 'Leave the virtual environment'
    if set -q _OLD_VIRTUAL_PATH
        set -gx PATH $_OLD_VIRTUAL_PATH
        set -e _OLD_VIRTUAL_PATH
    end
    if set -q _OLD_VIRTUAL_PYTHONHOME
        set -gx PYTHONHOME $_OLD_VIRTUAL_PYTHONHOME
        set -e _OLD_VIRTUAL_PYTHONHOME
    end
    if functions -q _venv_sim_prompt_before
        functions -e fish_prompt
        functions -c _venv_sim_prompt_before fish_prompt
        functions -e _venv_sim_prompt_before
    end
    set -e VIRTUAL_ENV
    set -e VIRTUAL_ENV_PROMPT
    if not set -q argv[1]
        functions -e deactivate
    end
end

function _venv_sim_activate
    # `string collect` and `string split` keep a newline in a name in one piece.
    set -l file $argv[1]
    string match -q '/*' -- $file
    or set file $PWD/$file
    set file (builtin realpath -s -- $file | string collect)
    set -l root (string split -r -m 2 / -- $file)[1]
    if not test -f $root/pyvenv.cfg
        echo "activate.fish: cannot tell which environment this is: no pyvenv.cfg above $file" >&2
        # The one of an environment that is active still stays.
        set -q VIRTUAL_ENV; or functions -e deactivate
        return 1
    end

    deactivate nondestructive
    set -gx VIRTUAL_ENV $root
    set -g _OLD_VIRTUAL_PATH $PATH
    set -gx PATH $VIRTUAL_ENV/bin $PATH
    if set -q PYTHONHOME
        set -g _OLD_VIRTUAL_PYTHONHOME $PYTHONHOME
        set -e PYTHONHOME
    end

    # The prompt's name: the one asked for at creation, else the directory's.
    set -gx VIRTUAL_ENV_PROMPT (string split -r -m 1 / -- $root)[2]
    while read -l line
        if string match -qr '^prompt = ([\'"]).*\1$' -- $line
            set line (string sub -s 11 -- $line)
            set line (string sub -l (math (string length -- $line) - 1) -- $line)
            set -gx VIRTUAL_ENV_PROMPT (string replace -ar '\\\\(.)' '$1' -- $line)
        end
    end <$root/pyvenv.cfg

    if test -z "$VIRTUAL_ENV_DISABLE_PROMPT"; and functions -q fish_prompt
        functions -c fish_prompt _venv_sim_prompt_before
        function fish_prompt
            # The prompt before may show the status of the last command.
            set -l last $status
            printf '(%s) ' (string replace -ar '[[:cntrl:]]' _ -- $VIRTUAL_ENV_PROMPT | string join _)
            _venv_sim_status $last
            _venv_sim_prompt_before
        end
    end
end

function _venv_sim_status
    return $argv[1]
end

_venv_sim_activate (status filename | string collect)
functions -e _venv_sim_activate
