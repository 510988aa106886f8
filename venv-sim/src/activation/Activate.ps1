# Activates the environment that this file lies in:  . path/to/bin/Activate.ps1
#
# The file holds no path: PowerShell says where it was read from. It may be shared
# by hard link between environments, and is read-only then; replace it to change it.

function global:deactivate ([switch]$NonDestructive) {
    if (Test-Path -LiteralPath variable:global:_OLD_VIRTUAL_PATH) {
        $env:PATH = $global:_OLD_VIRTUAL_PATH
        Remove-Variable -Name _OLD_VIRTUAL_PATH -Scope Global
    }
    if (Test-Path -LiteralPath variable:global:_OLD_VIRTUAL_PYTHONHOME) {
        $env:PYTHONHOME = $global:_OLD_VIRTUAL_PYTHONHOME
        Remove-Variable -Name _OLD_VIRTUAL_PYTHONHOME -Scope Global
    }
    if (Test-Path -LiteralPath variable:global:_OLD_VIRTUAL_PROMPT) {
        Set-Item -LiteralPath function:global:prompt -Value $global:_OLD_VIRTUAL_PROMPT
        Remove-Variable -Name _OLD_VIRTUAL_PROMPT -Scope Global
    }
    foreach ($name in 'VIRTUAL_ENV', 'VIRTUAL_ENV_PROMPT') {
        if (Test-Path -LiteralPath "env:$name") {
            Remove-Item -LiteralPath "env:$name"
        }
    }
    if (-not $NonDestructive) {
        Remove-Item -LiteralPath function:deactivate
    }
}

# In a scope of its own, since the file is read in the caller's.
& {
    # .NET's functions take a path as it is; those of PowerShell may see patterns in it.
    $root = [System.IO.Path]::GetDirectoryName($args[0])
    $config = [System.IO.Path]::Combine($root, 'pyvenv.cfg')
    if (-not [System.IO.File]::Exists($config)) {
        Remove-Item -LiteralPath function:deactivate
        throw "Activate.ps1: cannot tell which environment this is: no pyvenv.cfg in $root"
    }
    deactivate -NonDestructive

    # The prompt's name: the one asked for at creation, else the directory's.
    $name = [System.IO.Path]::GetFileName($root)
    foreach ($line in [System.IO.File]::ReadAllLines($config)) {
        if ($line -cmatch '^prompt = ([''"])(.*)\1$') {
            $name = $Matches[2] -creplace '\\(.)', '$1'
        }
    }
    $env:VIRTUAL_ENV = $root
    $env:VIRTUAL_ENV_PROMPT = $name

    $global:_OLD_VIRTUAL_PATH = $env:PATH
    $bin = [System.IO.Path]::Combine($root, 'bin')
    $env:PATH = $bin + [System.IO.Path]::PathSeparator + $env:PATH
    if (Test-Path -LiteralPath env:PYTHONHOME) {
        $global:_OLD_VIRTUAL_PYTHONHOME = $env:PYTHONHOME
        Remove-Item -LiteralPath env:PYTHONHOME
    }

    if (-not $env:VIRTUAL_ENV_DISABLE_PROMPT) {
        $global:_OLD_VIRTUAL_PROMPT = $function:prompt
        # The prompt before may write by itself: ours comes first.
        function global:prompt {
            $shown = $env:VIRTUAL_ENV_PROMPT -creplace '\p{Cc}', '_'
            Write-Host -NoNewline -Object "($shown) "
            & $global:_OLD_VIRTUAL_PROMPT
        }
    }
} $PSScriptRoot
