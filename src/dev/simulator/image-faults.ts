import type { FaultName } from './faults.ts'
import { renderBlack, renderPicture, type Picture } from './picture/render.ts'

const page = Buffer.from('<!DOCTYPE html><html><head><title>Error</title></head><body>Please try again.</body></html>')
const vector = Buffer.from(
  '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><circle r="30" cx="32" cy="32"/></svg>',
)

/** The picture's bytes as a fault of the image leaves them; whole where the fault is of another kind. */
export function imageBytes(picture: Picture, fault: FaultName | undefined): Buffer {
  switch (fault) {
    case 'zero_bytes':
      return Buffer.alloc(0)
    case 'html_image':
      return page
    case 'wrong_type':
      return vector
    case 'black':
      return renderBlack(picture.width, picture.height)
    case 'wrong_size':
      return renderPicture({ ...picture, width: Math.ceil(picture.width / 2), height: Math.ceil(picture.height / 3) })
    case 'truncated_png': {
      const whole = renderPicture(picture)
      return whole.subarray(0, Math.floor(whole.length * 0.6))
    }
    default:
      return renderPicture(picture)
  }
}
