# Sourced by the fetch scripts: downloads packages of Debian unstable without touching this machine's own package lists.
#
# sid_fetch FOLDER PACKAGE...   downloads into FOLDER/packages, with lists and cache of its own under FOLDER
# Needs apt (Debian, Ubuntu). HALLMARK_DEBIAN_MIRROR names another mirror; without it, the one apt already uses.

tokens_folder() {
    printf '%s\n' "${HALLMARK_TOKENS:-${XDG_CACHE_HOME:-$HOME/.cache}/hallmark-tokens}"
}

sid_mirror() {
    if [ -n "${HALLMARK_DEBIAN_MIRROR:-}" ]; then
        printf '%s\n' "$HALLMARK_DEBIAN_MIRROR"
        return
    fi
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null \
        | grep -v -e security -e '^file:' | grep debian | head -n 1 | grep . \
        || { echo "apt names no Debian mirror here: set HALLMARK_DEBIAN_MIRROR" >&2; return 1; }
}

sid_fetch() {
    folder=$1
    shift
    command -v apt-get >/dev/null || { echo "apt-get is needed to download Debian packages" >&2; return 1; }
    mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial" "$folder/packages"
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -f "$keyring" ] && signed="[signed-by=$keyring] " || signed=""
    mirror=$(sid_mirror) || return 1
    printf 'deb %s%s sid main\n' "$signed" "$mirror" >"$folder/apt/sources.list"
    : >"$folder/apt/status"
    # The host's own lists, state and cache stay as they are. Old mirrors may carry a Release file past its date.
    # Without the error mode apt goes on with no lists at all when it reaches nobody.
    sid_apt -o APT::Update::Error-Mode=any update >"$folder/apt/update.log" 2>&1 || {
        cat "$folder/apt/update.log" >&2
        echo "the Debian mirror $mirror can not be used: set HALLMARK_DEBIAN_MIRROR to one that can be reached" >&2
        return 1
    }
    (cd "$folder/packages" && sid_apt download "$@" >"$folder/apt/download.log" 2>&1) \
        || { cat "$folder/apt/download.log" >&2; return 1; }
}

sid_apt() {
    apt-get -q \
        -o Dir::Etc::sourcelist="$folder/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::Lists="$folder/apt/lists" -o Dir::State::status="$folder/apt/status" \
        -o Dir::Cache="$folder/apt/cache" -o Acquire::Check-Valid-Until=false -o Acquire::Languages=none \
        -o APT::Sandbox::User= "$@"
}
