# References to tests, for scripts/check-claims and scripts/check-rules:
#
#     test_trust "nobody is revoked"; scenario/49
#
# test_NAME is a unit, conformance or simulation test (FOLDER/test_NAME where two have that name),
# fuzz_NAME a fuzzer, scenario/NN and lab/NN a script; the words in quotes stand in that file. start
# is the line that complaints name.

# All strings of a C file that follow each other are one.
function contents(file,    line, text) {
    if (file in read_files) return read_files[file]
    while ((getline line < file) > 0) text = text " " line
    close(file)
    gsub(/" *"/, "", text)
    return read_files[file] = text
}
function file_of(name,    pattern, command, file) {
    if (name in found) return found[name]
    if (name ~ /^[a-z]+\/test_[a-z0-9_]+$/) pattern = "tests/unit/" name ".c"
    else if (name ~ /^test_[a-z0-9_]+$/) pattern = "tests/unit/*/" name ".c tests/conformance/" name ".c tests/sim/" name ".c"
    else if (name ~ /^fuzz_[a-z0-9_]+$/) pattern = "tests/fuzz/" name ".c"
    else if (name ~ /^(scenario|lab)\/[0-9]+$/) pattern = "tests/" name "-*.sh"
    else return ""
    command = "ls -d " pattern " 2>/dev/null"
    file = ""
    command | getline file
    close(command)
    return found[name] = file
}
function complain(text) { printf "%s:%d: %s\n", FILENAME, start, text; bad = 1 }
function check(references,    n, i, part, name, words, file) {
    n = split(references, part, /; */)
    for (i = 1; i <= n; i++) {
        name = part[i]; words = ""
        if (match(name, / ".*"$/)) {
            words = substr(name, RSTART + 2, RLENGTH - 3)
            name = substr(name, 1, RSTART - 1)
        }
        file = file_of(name)
        if (!file) complain("there is no test " name)
        else if (words && !index(contents(file), words)) complain(file " does not say: " words)
        references_seen++
    }
}
