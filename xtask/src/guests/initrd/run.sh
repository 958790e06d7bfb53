#!/bin/sh
# Runs what handset.run= on the kernel's command line says: a script in base64. Says how it ended.
for word in $(cat /proc/cmdline); do
    case $word in
    handset.run=*)
        echo "${word#handset.run=}" | base64 -d >/tmp/run
        sh /tmp/run
        echo "handset.run: exit status $?"
        ;;
    esac
done
