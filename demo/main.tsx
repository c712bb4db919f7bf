import { TooltipProvider } from '@vector-im/compound-web'
import { createRoot } from 'react-dom/client'
import { App } from './app.tsx'
import './styles/main.css'

const root = document.getElementById('app')
if (root) {
  createRoot(root).render(
    <TooltipProvider>
      <App />
    </TooltipProvider>,
  )
}
