# Activates the environment that this file lies in:  source path/to/bin/activate.csh
#
# The file holds no path. csh does not say where it was read from, so a line of sh
# finds the file that this shell has open (/proc), and answers with three lines: the
# directory and the prompt's name, quoted for csh with $nl for a newline, and that
# name as a prompt can show it. The file may be shared by hard link between
# environments, and is read-only then; replace it to change it.

# In eval, since csh expands a whole line first, also the variables that `if` finds unset.
alias deactivate 'if ($?_OLD_VIRTUAL_PATH) eval '\''setenv PATH $_OLD_VIRTUAL_PATH:q'\''; unset _OLD_VIRTUAL_PATH; rehash; if ($?_OLD_VIRTUAL_PYTHONHOME) eval '\''setenv PYTHONHOME $_OLD_VIRTUAL_PYTHONHOME:q'\''; unset _OLD_VIRTUAL_PYTHONHOME; if ($?_OLD_VIRTUAL_PROMPT) eval '\''set prompt = $_OLD_VIRTUAL_PROMPT:q'\''; unset _OLD_VIRTUAL_PROMPT; unsetenv VIRTUAL_ENV; unsetenv VIRTUAL_ENV_PROMPT; unalias deactivate'

set nl = "\
"
set venv_sim_pid = $$
setenv _VENV_SIM_FIND 'n=3; f=; while [ $n -lt 256 ]; do [ -f /proc/$1/fd/$n ] && t=$(readlink /proc/$1/fd/$n && echo x) && case $t in */bin/activate.csh?x) f=${t%??};; esac; n=$((n+1)); done; r=${f%/bin/*}; [ -f "$r/pyvenv.cfg" ] || exit 1; p=$(sed -n "s/^prompt = [\x27\"]\(.*\)[\x27\"]\$/\1/; t found; d; :found; s/\\\\\(.\)/\1/g; p; q" "$r/pyvenv.cfg"); p=${p:-${r##*/}}; q() { printf %s "$1" | tr "\n" "\001" | sed "s/[\\\\\x21\x27]/\x27\\\\&\x27/g; s/\x01/\x27\$nl:q\x27/g; s/^/\x27/; s/\$/\x27/"; echo; }; q "$r"; q "$p"; printf "(%s) \n" "$(printf %s "$p" | tr "\$\`%\041\134[:cntrl:]" _)"'
set venv_sim_lines = ("`printenv _VENV_SIM_FIND | sh -s $venv_sim_pid`")
unsetenv _VENV_SIM_FIND
if ($#venv_sim_lines == 3) then
    # Leave the environment before.
    if ($?_OLD_VIRTUAL_PATH) then
        setenv PATH $_OLD_VIRTUAL_PATH:q
    endif
    if ($?_OLD_VIRTUAL_PROMPT) then
        set prompt = $_OLD_VIRTUAL_PROMPT:q
    endif
    eval "setenv VIRTUAL_ENV $venv_sim_lines[1]:q"
    eval "setenv VIRTUAL_ENV_PROMPT $venv_sim_lines[2]:q"

    set _OLD_VIRTUAL_PATH = $PATH:q
    setenv PATH $VIRTUAL_ENV:q/bin:$PATH:q
    if ($?PYTHONHOME) then
        set _OLD_VIRTUAL_PYTHONHOME = $PYTHONHOME:q
        unsetenv PYTHONHOME
    endif
    if ($?prompt && ! $?VIRTUAL_ENV_DISABLE_PROMPT) then
        set _OLD_VIRTUAL_PROMPT = $prompt:q
        set prompt = $venv_sim_lines[3]:q$prompt:q
    endif
    rehash
else
    sh -c 'echo "activate.csh: cannot tell which environment this is (it needs /proc and readlink)" >&2'
    # The one of an environment that is active still stays.
    if (! $?VIRTUAL_ENV) unalias deactivate
endif
unset nl venv_sim_pid venv_sim_lines
