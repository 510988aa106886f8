# A database in a container: made, started, given a word to keep, and asked for it over TCP.
#
# The first process of the container. Told the directory of PostgreSQL's programs, the port and
# the word. Prints one line of JSON and holds until its standard input ends.
set -eu
bin=$1 port=$2 word=$3
data=/data/database
user=unknown
while read -r key value _; do
    if [ "$key" = Uid: ]; then user=$value; fi
done </proc/self/status
"$bin/initdb" -D "$data" -A trust -N -E UTF8 --locale=C >/data/log 2>&1 || { cat /data/log >&2; exit 1; }
"$bin/postgres" -D "$data" -h 127.0.0.1 -p "$port" -k /data -F \
    -c max_connections=10 -c shared_buffers=16MB >>/data/log 2>&1 &
server=$!
ask() { "$bin/psql" -X -q -A -t -h 127.0.0.1 -p "$port" -d postgres -c "$1"; }
until ask "select 1" >/dev/null 2>&1; do
    kill -0 "$server" 2>/dev/null || { cat /data/log >&2; exit 1; }
    sleep 0.05
done
ask "create table kept (word text)"
ask "insert into kept values ('$word')"
kept=$(ask "select word from kept")
version=$(ask "show server_version")
printf '{"user": "%s", "version": "%s", "kept": "%s"}\n' "$user" "$version" "$kept"
read -r _ || true
