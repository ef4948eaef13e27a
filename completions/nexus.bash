_clap_complete_nexus() {
    local answer word line=${COMP_LINE-}
    COMPREPLY=()
    answer=$(
        _NEXUS_INDEX="${COMP_CWORD}" \
        _NEXUS_REPLACED="${2-}" \
        _NEXUS_LINE="${line:0:${COMP_POINT:-0}}" \
        _NEXUS_BREAKS="${COMP_WORDBREAKS-}" \
        NEXUS_COMPLETE="bash" \
        "nexus" -- "${COMP_WORDS[@]}"
    ) || return
    while IFS= read -r word; do
        [[ -z $word ]] || COMPREPLY+=("$word")
    done <<< "$answer"
    if compopt +o nospace 2> /dev/null && [[ "${COMPREPLY-}" =~ [=/:]$ ]]; then
        compopt -o nospace
    fi
}
if [[ "${BASH_VERSINFO[0]}" -eq 4 && "${BASH_VERSINFO[1]}" -ge 4 || "${BASH_VERSINFO[0]}" -gt 4 ]]; then
    complete -o nospace -o bashdefault -o nosort -F _clap_complete_nexus nexus
else
    complete -o nospace -o bashdefault -F _clap_complete_nexus nexus
fi
