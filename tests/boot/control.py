"""Drives a phone by the client library that QEMU's own tests use; argument: the socket. Prints «passed»."""
import asyncio
import os
import struct
import sys
import tempfile

from qemu.qmp import ExecuteError, QMPClient


async def refused(qmp, what, command, arguments=None):
    """The error that a command gives must be of a class, and say something."""
    try:
        await qmp.execute(command, arguments)
    except ExecuteError as error:
        assert error.error_class == what[0], (command, error.error_class)
        assert what[1] in str(error), (command, str(error))
        return
    raise AssertionError(f'{command} was not refused')


async def event(listener, name):
    got = await asyncio.wait_for(listener.get(), 10)
    assert got['event'] == name, got
    assert got['timestamp']['seconds'] > 1_700_000_000, got
    return got['data']


async def main(socket):
    qmp = QMPClient('test')
    await qmp.connect(socket)
    assert qmp.greeting.QMP.capabilities == [], qmp.greeting

    assert await qmp.execute('query-status') == {'status': 'running', 'running': True}
    assert (await qmp.execute('query-version'))['package'].startswith('Handset')
    names = {command['name'] for command in await qmp.execute('query-commands')}
    schema = await qmp.execute('query-qmp-schema')
    described = {entity['name'] for entity in schema if entity['meta-type'] == 'command'}
    assert names == described and {'stop', 'screendump', 'x-tap', 'input-send-event'} <= names
    types = {entity['name'] for entity in schema}
    assert all(entity['arg-type'] in types for entity in schema if entity['meta-type'] == 'command')

    with qmp.listener(('STOP', 'RESUME')) as listener:
        for _ in range(3):
            await qmp.execute('stop')
            assert await qmp.execute('query-status') == {'status': 'paused', 'running': False}
            assert await event(listener, 'STOP') == {}
            await qmp.execute('stop')
            await qmp.execute('cont')
            assert await event(listener, 'RESUME') == {}
        assert listener.empty()

    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, 'a.ppm')
        await qmp.execute('screendump', {'filename': file, 'format': 'ppm'})
        with open(file, 'rb') as picture:
            assert picture.read(2) == b'P6'
        file = os.path.join(folder, 'a.png')
        await qmp.execute('screendump', {'filename': file})
        with open(file, 'rb') as picture:
            head = picture.read(24)
        assert head[:4] == b'\x89PNG' and struct.unpack('>II', head[16:]) == (720, 1280), head
        await refused(qmp, ('GenericError', '/nowhere'), 'screendump', {'filename': '/nowhere/at/all.png'})
        await refused(qmp, ('GenericError', 'whole path'), 'screendump', {'filename': 'a.png'})

    def axis(name, value):
        return {'type': 'abs', 'data': {'axis': name, 'value': value}}

    def finger(down):
        return {'type': 'btn', 'data': {'button': 'left', 'down': down}}

    await qmp.execute('input-send-event', {'events': [axis('x', 0x4000), axis('y', 0x4000), finger(True)]})
    await qmp.execute('input-send-event', {'events': [axis('x', 0x6000)]})
    await qmp.execute('input-send-event', {'events': [finger(False)]})
    key = {'type': 'key', 'data': {'down': True, 'key': {'type': 'qcode', 'data': 'a'}}}
    await qmp.execute('input-send-event', {'events': [key]})
    await qmp.execute('send-key', {'keys': [{'type': 'qcode', 'data': 'ret'}], 'hold-time': 10})
    await qmp.execute('x-swipe', {'x1': 10, 'y1': 20, 'x2': 300, 'y2': 400, 'time': 50})

    assert await qmp.execute('human-monitor-command', {'command-line': 'info status'}) == 'running: true\r\nstatus: running\r\n'
    assert await qmp.execute('human-monitor-command', {'command-line': 'sendkey ctrl-a'}) == ''
    assert 'unknown command' in await qmp.execute('human-monitor-command', {'command-line': 'frobnicate'})
    blocks = await qmp.execute('query-block')
    assert [block['device'] for block in blocks] == ['virtio0'] and not blocks[0]['removable'], blocks
    change = {'id': 'virtio0', 'filename': '/nowhere'}
    await refused(qmp, ('GenericError', 'not removable'), 'blockdev-change-medium', change)
    await refused(qmp, ('DeviceNotFound', 'cd0'), 'blockdev-change-medium', {**change, 'id': 'cd0'})

    await refused(qmp, ('CommandNotFound', 'frobnicate'), 'frobnicate')
    await refused(qmp, ('CommandNotFound', 'already'), 'qmp_capabilities')
    await refused(qmp, ('GenericError', "'y' is missing"), 'x-tap', {'x': 1})
    await refused(qmp, ('GenericError', 'expected: integer'), 'x-tap', {'x': 1, 'y': 'two'})
    await refused(qmp, ('GenericError', "'z' is unexpected"), 'x-tap', {'x': 1, 'y': 2, 'z': 3})
    await refused(qmp, ('GenericError', 'no key'), 'x-text', {'text': 'né'})

    await refused(qmp, ('GenericError', 'nothing that could be found'), 'x-find-text', {'text': ' '})
    await refused(qmp, ('GenericError', 'expected: bool'), 'x-find-text', {'text': 'a', 'case': 1})
    await refused(qmp, ('GenericError', 'whole path'), 'x-find-image', {'filename': 'a.png'})
    await refused(qmp, ('GenericError', 'no plain file'), 'x-wait-for-image', {'filename': '/dev/zero'})

    with qmp.listener(('RESET', 'SHUTDOWN')) as listener:
        await qmp.execute('system_reset')
        assert await event(listener, 'RESET') == {'guest': False, 'reason': 'host-qmp-system-reset'}
        await qmp.execute('quit')
        assert await event(listener, 'SHUTDOWN') == {'guest': False, 'reason': 'host-qmp-quit'}
    await qmp.disconnect()
    print('passed')


asyncio.run(main(sys.argv[1]))
