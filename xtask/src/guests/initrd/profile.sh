export PATH=/sbin:/bin
export HOME=/root
export PS1='handset# '
