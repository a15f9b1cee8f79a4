/* Making taps: for ports (port/tap.c) and for the kernel's faces of interfaces (host/tap.c). Control thread. */
#pragma once

/* The program's side of tap `name`, which is made unless somebody has made it to stay ('ip tuntap'). Not blocking; -1 and errno. */
int mill_tap_make(const char *name);
/* What to do about an errno of that, for the end of a message. */
const char *mill_tap_hint(int code);
