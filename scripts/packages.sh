# Read by scripts/quickstart and scripts/test: finds what the machine lacks and installs it with the
# system's package manager. Everything it says goes to standard error.

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
    say "$@"
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# Whether there is what a build needs; these two are a person's own choice and not installed.
require_compilers() {
    if ! has cargo && [ -x "${CARGO_HOME:-${HOME:-/none}/.cargo}/bin/cargo" ]; then
        PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
    fi
    has cargo || die "missing: cargo; install Rust with rustup, then run this again"
    has cc || has gcc || has clang || die "missing: a C compiler, e.g. apt-get install gcc libc6-dev"
}

# Where cargo puts what it builds.
target_folder() {
    cargo metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/'
}

# Whether PostgreSQL's server, 15 or newer, is on this machine.
has_server() {
    local folder major
    for folder in "${NEXUS_PG_BIN:-}" "$(dirname "$(command -v postgres || echo /none/postgres)")" \
        /usr/lib/postgresql/*/bin /usr/lib/postgresql* /usr/libexec/postgresql* /usr/pgsql-*/bin \
        /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin; do
        [ -x "$folder/postgres" ] && [ -x "$folder/initdb" ] || continue
        major=$("$folder/postgres" --version | sed -n 's/^[^0-9]*\([0-9][0-9]*\).*/\1/p')
        [ "${major:-0}" -ge 15 ] && return 0
    done
    return 1
}

# The package manager of this system, or nothing.
manager() {
    local name
    for name in apt-get dnf pacman apk brew; do
        if has "$name"; then
            echo "$name"
            return
        fi
    done
}

# What a thing is called by a package manager.
package() {
    case $1:$2 in
        *:curl) echo curl ;;
        *:make) echo make ;;
        brew:node | brew:npm) echo node ;;
        *:node) echo nodejs ;;
        *:npm) echo npm ;;
        *:nats-server) echo nats-server ;;
        apt-get:server) echo postgresql ;;
        apt-get:psql) echo postgresql-client ;;
        apt-get:ps) echo procps ;;
        apt-get:script) echo bsdutils ;;
        apt-get:pip) echo python3-pip ;;
        apt-get:systemd-analyze | dnf:systemd-analyze | pacman:systemd-analyze) echo systemd ;;
        dnf:server) echo postgresql-server ;;
        dnf:psql) echo postgresql ;;
        dnf:ps) echo procps-ng ;;
        dnf:script) echo util-linux-script ;;
        dnf:pip) echo python3-pip ;;
        pacman:server | pacman:psql) echo postgresql ;;
        pacman:ps) echo procps-ng ;;
        pacman:script) echo util-linux ;;
        pacman:pip) echo python-pip ;;
        apk:server) echo postgresql ;;
        apk:psql) echo postgresql-client ;;
        apk:ps) echo procps ;;
        apk:script) echo util-linux-misc ;;
        apk:pip) echo py3-pip ;;
        brew:server | brew:psql) echo postgresql@17 ;;
        brew:pip) echo python3 ;;
    esac
}

# The command that installs packages.
install_command() {
    case $1 in
        apt-get) echo "apt-get install --yes --no-install-recommends" ;;
        dnf) echo "dnf install --assumeyes" ;;
        pacman) echo "pacman --sync --refresh --noconfirm --needed" ;;
        apk) echo "apk add" ;;
        brew) echo "brew install" ;;
    esac
}

# Whether a thing is here: server, pip, or a program of that name.
is_here() {
    case $1 in
        server) has_server ;;
        pip) has python3 && python3 -m pip --version >/dev/null 2>&1 ;;
        *) has "$1" ;;
    esac
}

# Sees to it that all these things are here, or ends with the command that a person has to run.
require() {
    local thing missing='' packages='' with command
    for thing in "$@"; do
        is_here "$thing" || missing="$missing $thing"
    done
    [ -n "$missing" ] || return 0
    with=$(manager)
    [ -n "$with" ] || die "missing:$missing; install them (server: PostgreSQL 15 or newer) and run this again"
    for thing in $missing; do
        packages="$packages $(package "$with" "$thing")"
    done
    command="$(install_command "$with")$packages"
    if [ "$with" != brew ] && [ "$(id -u)" != 0 ]; then
        say "missing:$missing; run this, then run ${0##*/} again:"
        if [ "$with" = apt-get ]; then
            printf '    sudo apt-get update && sudo %s\n' "$command" >&2
        else
            printf '    sudo %s\n' "$command" >&2
        fi
        exit 1
    fi
    say "installing: $command"
    if [ "$with" = apt-get ]; then
        install_with_apt "$packages"
    else
        $command </dev/null >&2
    fi
    for thing in $missing; do
        is_here "$thing" || die "after installing$packages there is still no $thing (server: PostgreSQL 15 or newer)"
    done
}

# Debian makes a cluster of its own and starts it when the server is installed; Nexus has no use
# for it, so it is told not to (createcluster.conf(5)) unless postgresql-common was here before.
install_with_apt() {
    local settings=/etc/postgresql-common/createcluster.conf mark='create_main_cluster = false  # nexus'
    local apt=(apt-get -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -qq)
    export DEBIAN_FRONTEND=noninteractive
    "${apt[@]}" update </dev/null >&2
    case " $1 " in
        *" postgresql "*)
            if [ ! -e $settings ]; then
                "${apt[@]}" install --yes --no-install-recommends postgresql-common </dev/null >&2
                echo "$mark" >>$settings
            fi
            ;;
    esac
    # shellcheck disable=SC2086 # one word for each package
    "${apt[@]}" install --yes --no-install-recommends $1 </dev/null >&2
    if [ -e $settings ]; then
        sed -i "/^$mark\$/d" $settings
    fi
}
