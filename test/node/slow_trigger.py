"""
A library for LD_PRELOAD that makes a race certain which is rare otherwise.

At a signal, a thread of rclpy's triggers guard conditions of every executor.  With this library it
takes a while, in which the main thread may destroy them.
"""

import os
import subprocess

_CODE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/syscall.h>
#include <unistd.h>
int rcl_trigger_guard_condition(void *condition)
{
  int (*trigger)(void *) = (int (*)(void *))dlsym(
    dlopen("librcl.so", RTLD_NOW | RTLD_NOLOAD), "rcl_trigger_guard_condition");
  if (syscall(SYS_gettid) != getpid())
    usleep(300000);
  return trigger(condition);
}
"""


def build_slow_trigger(folder):
    """Return a library with which all threads but the main one take 0.3 s for a trigger."""
    source, library = folder / 'slow.c', folder / 'slow.so'
    source.write_text(_CODE)
    subprocess.run([os.environ.get('CC', 'cc'), '-shared', '-fPIC', '-o', library, source, '-ldl'],
                   check=True)
    return library
