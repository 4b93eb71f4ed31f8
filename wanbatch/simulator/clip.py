r"""One small real video, and a copy of it for each task that differs in bytes and still plays.

Knows mp4 boxes as far as appending one. Does not know tasks, URLs or HTTP.

`clip.mp4` (1280x720, 30 fps, 3 s, H.264 and AAC: a night sky, two lights passing, a soft chord) was made by
this project with ffmpeg 5.1, all in one command:

    ffmpeg -f lavfi -i "nullsrc=s=640x360:r=30:d=3,format=gbrp,geq=
    r='14+46*pow(Y/H\,2)+26*sin(T*2+X/190)*Y/H+240*exp(-hypot(X-mod(60+230*T\,700)\,(Y-228)*2)/14)
    +150*exp(-hypot(X-mod(300+170*T\,700)\,(Y-240)*2)/9)':
    g='16+34*pow(Y/H\,2)+180*exp(-hypot(X-mod(60+230*T\,700)\,(Y-228)*2)/14)
    +130*exp(-hypot(X-mod(300+170*T\,700)\,(Y-240)*2)/9)':
    b='44+70*pow(Y/H\,1.5)+14*sin(T*2-X/150)+100*exp(-hypot(X-mod(60+230*T\,700)\,(Y-228)*2)/14)
    +200*exp(-hypot(X-mod(300+170*T\,700)\,(Y-240)*2)/9)',
    scale=1280:720:flags=bicubic"
    -f lavfi -i "aevalsrc='0.12*sin(2*PI*220*t)+0.08*sin(2*PI*330*t)+0.05*sin(2*PI*440*t)*sin(PI*t)':
    s=44100:d=3,afade=in:d=0.5,afade=out:st=2.2:d=0.8"
    -c:v libx264 -preset veryslow -crf 33 -pix_fmt yuv420p -c:a aac -b:a 48k -map_metadata -1
    -fflags +bitexact -flags:v +bitexact -flags:a +bitexact -movflags +faststart clip.mp4

(The line breaks are this docstring's; on the shell the filter graphs have none.)
"""

import functools
import importlib.resources
import struct

_BOX_HEADER = struct.Struct(">I4s")
"""Size of the whole box (bytes, header included) and its type: ISO/IEC 14496-12, 4.2."""


@functools.cache
def original() -> bytes:
    """The clip as it was encoded, without any task's mark."""
    return importlib.resources.files(__package__).joinpath("clip.mp4").read_bytes()


def video(mark: str) -> bytes:
    """The clip followed by a top-level `free` box that holds `mark` (a task id).

    Players skip `free`, so every video plays; but no two have the same SHA-256, so a mix-up shows.
    """
    payload = mark.encode()
    return original() + _BOX_HEADER.pack(_BOX_HEADER.size + len(payload), b"free") + payload
