-- One row per line of an order (quantity above 0) or of a return (below 0), completed by fixed rules.
-- What is missing is derived and flagged, never guessed: order from line, money from quantity and price, shop
-- `__online__`. `total_price` has the sign of the quantity and wins over quantity times price where they differ.
-- `gross_sales`, `discounts`, `returns` and `net_sales` are 0 for lines that do not count (`is_valid` false:
-- cancelled, unpaid, test, book-keeping), so that plain sums over any rows of this table are right.
with lines as (
    select
        s.sale_id,
        coalesce(s.order_id, s.sale_id) as order_id,
        s.customer_id,
        s.product_id,
        coalesce(s.store_id, '__online__') as store_id,
        s.quantity,
        case when s.quantity < 0 then 'return' else 'sale' end as line_type,
        s.unit_price as delivered_price,
        s.total_price as delivered_total,
        coalesce(s.discount_amount, 0) as discount_amount,
        s.discount_amount is null and coalesce(s.discount_applied, false) as discount_unknown,
        coalesce(
            abs(s.total_price),
            greatest(abs(s.quantity) * s.unit_price - coalesce(s.discount_amount, 0), 0)
        )::numeric(18, 4) as amount,
        s.promo_code,
        s.shipping_type,
        coalesce(s.shipping_amount, 0) as shipping_amount,
        coalesce(s.tax_amount, 0) as tax_amount,
        s.payment_method,
        s.sold_at,
        s.sold_date,
        s.sold_month,
        coalesce(s.status, 'completed') as status,
        s.original_sale_id,
        s.currency,
        s.review_rating,
        s.ts_adjusted,
        s.source_id
    from landed.sales as s
),

parameters as (
    select
        p.currency,
        p.amount_tolerance,
        p.amount_tolerance_share
    from core.parameters as p
),

status_rules as (
    select
        r.status,
        r.is_valid
    from core.status_rules as r
),

completed as (
    select
        l.sale_id,
        l.order_id,
        l.customer_id,
        l.product_id,
        l.store_id,
        l.quantity,
        coalesce(
            l.delivered_price,
            ((l.amount + l.discount_amount) / nullif(abs(l.quantity), 0))::numeric(18, 4)
        ) as unit_price,
        l.discount_amount,
        case when l.line_type = 'return' then -l.amount else l.amount end as total_price,
        l.promo_code,
        l.shipping_type,
        l.shipping_amount,
        l.tax_amount,
        l.payment_method,
        l.sold_at,
        l.sold_date,
        l.sold_month,
        l.status,
        l.line_type,
        l.original_sale_id,
        coalesce(l.currency, p.currency) as currency,
        l.review_rating,
        coalesce(r.is_valid, false) as is_valid,
        l.customer_id is null as is_guest,
        l.discount_unknown,
        coalesce(l.delivered_total * l.quantity < 0, false) as sign_fixed,
        coalesce(
            abs(abs(l.quantity) * l.delivered_price - l.discount_amount - abs(l.delivered_total))
            > greatest(p.amount_tolerance, p.amount_tolerance_share * abs(l.delivered_total)),
            false
        ) as amount_mismatch,
        l.ts_adjusted,
        l.source_id
    from lines as l
    cross join parameters as p
    left join status_rules as r on l.status = r.status
),

final as (
    select
        c.sale_id,
        c.order_id,
        c.customer_id,
        c.product_id,
        c.store_id,
        c.quantity,
        c.unit_price,
        c.discount_amount,
        c.total_price,
        case when c.is_valid and c.line_type = 'sale' then c.total_price + c.discount_amount else 0 end
            as gross_sales,
        case when c.is_valid and c.line_type = 'sale' then c.discount_amount else 0 end as discounts,
        case when c.is_valid and c.line_type = 'return' then -c.total_price else 0 end as returns,
        case when c.is_valid then c.total_price else 0 end as net_sales,
        c.shipping_type,
        c.shipping_amount,
        c.tax_amount,
        c.payment_method,
        c.promo_code,
        c.review_rating,
        c.currency,
        c.sold_at,
        c.sold_date,
        c.sold_month,
        c.status,
        c.line_type,
        c.original_sale_id,
        c.is_valid,
        c.is_guest,
        c.discount_unknown,
        c.sign_fixed,
        c.amount_mismatch,
        c.ts_adjusted,
        c.source_id
    from completed as c
)

select * from final
