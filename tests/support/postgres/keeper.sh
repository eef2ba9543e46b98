# Keeps a PostgreSQL server for a test: does what it is told, one line at a time, and answers each with one line.
#
# It is told nothing more once the test is over, or was killed: then it ends the server and removes its folder, so that
# neither outlives the test.
#
#   keeper.sh FOLDER PROGRAMS SETTING...
folder=$1
programs=$2
shift 2

# Whoever ends the test in another way than by closing our standard input must not end us before we have cleaned up.
trap '' HUP INT TERM PIPE
umask 077
cd "$folder" || exit 1
pid=

# Whether a process is no more, or only its number is, because nobody has asked how it ended.
gone() {
  { read -r _ _ state _ <"/proc/$1/stat"; } 2>/dev/null || return 0
  [ "$state" = Z ]
}

# The processes that a process has started.
children() {
  for stat in /proc/[0-9]*/stat; do
    { read -r child _ _ parent _ <"$stat"; } 2>/dev/null || continue
    [ "$parent" != "$1" ] || echo "$child"
  done
}

while read -r order word; do
  case $order in
    create)
      echo "$word" >password
      # What is synced here would only have to survive a power cut before the first test begins.
      "$programs/initdb" --pgdata=data --username=postgres --pwfile=password --auth=scram-sha-256 \
        --encoding=UTF8 --locale=C --no-sync >>log 2>&1
      echo $?
      rm -f password
      ;;
    start)
      "$programs/postgres" -D data -p "$word" "$@" </dev/null >>log 2>&1 &
      pid=$!
      echo "$pid"
      ;;
    stop)
      kill -INT "$pid"
      wait "$pid"
      echo $?
      pid=
      ;;
    kill)
      # Stopped, it starts no child while we look for them.
      kill -STOP "$pid"
      all="$pid $(children "$pid")"
      kill -KILL $all
      wait "$pid" 2>/dev/null
      for each in $all; do
        until gone "$each"; do sleep 0.01; done
      done
      echo 0
      pid=
      ;;
  esac
done

if [ -n "$pid" ]; then
  # A server that has only just been started does not hear the first signal.
  until gone "$pid"; do
    kill -QUIT "$pid" 2>/dev/null
    sleep 0.1
  done
elif [ -e data/postmaster.pid ]; then
  # One that was killed has left its lock, a piece of shared memory, which no folder holds.
  read -r _ memory <<END
$(sed -n 7p data/postmaster.pid)
END
  ipcrm -m "$memory" 2>/dev/null
fi
cd /
rm -rf "$folder"
