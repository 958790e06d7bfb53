#!/bin/sh
# Sets an interface up as DHCP says: `udhcpc -s /etc/udhcpc.script -i eth0`.
case $1 in
deconfig)
    ip link set "$interface" up
    ;;
bound | renew)
    ip address replace "$ip/$mask" dev "$interface"
    [ -z "$router" ] || ip route replace default via "${router%% *}"
    : >/etc/resolv.conf
    for server in $dns; do
        echo "nameserver $server" >>/etc/resolv.conf
    done
    ;;
esac
