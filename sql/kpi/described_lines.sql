-- One row per valid sales line up to the as-of date, with what its order says. A return that says nothing of payment,
-- code, shipping or visit takes it from the line that it gives back. What is missing is `Unknown`, a line without
-- promotion code `No code`, one sold over the counter without a way of shipping `In store`, one of no known visit has
-- the device `unknown`.
with clock as (
    select c.as_of_date
    from core.clock as c
),

sales as (
    select
        s.sale_id,
        s.original_sale_id,
        s.sold_month as month,
        s.order_id,
        s.customer_id,
        s.product_id,
        s.store_id,
        s.payment_method,
        s.promo_code,
        s.shipping_type,
        s.line_type,
        s.quantity,
        s.gross_sales - s.discounts as sales_value,
        s.net_sales
    from core.sales as s
    cross join clock as c
    where s.is_valid and s.sold_date <= c.as_of_date
),

stores as (
    select
        s.store_id,
        s.channel
    from core.stores as s
),

returned as (
    select
        r.sale_id,
        o.order_id,
        o.payment_method,
        o.promo_code,
        o.shipping_type
    from sales as r
    inner join sales as o on r.original_sale_id = o.sale_id and o.line_type = 'sale'
    where r.line_type = 'return'
),

final as (
    select
        s.sale_id,
        s.month,
        s.order_id,
        s.customer_id,
        s.product_id,
        s.store_id,
        t.channel,
        coalesce(s.payment_method, r.payment_method, 'Unknown') as payment_method,
        coalesce(s.promo_code, r.promo_code, 'No code') as promo_code,
        coalesce(
            s.shipping_type, r.shipping_type, case when t.channel = 'store' then 'In store' else 'Unknown' end
        ) as shipping_type,
        coalesce(o.device_type, 'unknown') as device_type,
        s.line_type = 'sale' as is_sale,
        s.quantity,
        s.sales_value,
        s.net_sales
    from sales as s
    inner join stores as t on s.store_id = t.store_id
    left join returned as r on s.sale_id = r.sale_id
    left join kpi.order_traits as o on coalesce(r.order_id, s.order_id) = o.order_id
)

select * from final
