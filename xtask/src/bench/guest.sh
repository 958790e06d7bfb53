# Read by the guest's shell: `w NUMBER` runs one piece of work and tells the host when it begins and ends.
export LC_ALL=C KEY="-K $(printf %064d 7) -iv $(printf %032d 9)"
w() {
    (. "./$1.before") >/dev/null 2>&1
    echo "<begin>"
    (. "./$1.run") >"$1.out" 2>&1
    echo "<ran $?>"
    (cat "$1.out"; . "./$1.after") 2>&1
    echo "<end>"
}
