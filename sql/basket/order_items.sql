-- One row per order and product that it holds: what the baskets are made of.
-- Goods only; a product counts if more of it was bought than came back, whichever line of the order the return
-- belongs to. Returns are those that core.orders links to the order, up to the as-of date. Guests' orders are
-- baskets like others. An order without such a product is no basket.
with lines as (
    select
        s.sale_id,
        s.order_id,
        s.original_sale_id,
        s.product_id,
        s.line_type,
        s.quantity,
        s.net_sales
    from core.sales as s
    cross join core.clock as c
    where s.is_valid and s.sold_date <= c.as_of_date
),

placed as (
    select
        coalesce(o.order_id, l.order_id) as order_id,
        l.product_id,
        l.quantity,
        l.net_sales
    from lines as l
    left join lines as o
        on l.original_sale_id = o.sale_id and l.line_type = 'return' and o.line_type = 'sale'
),

goods as (
    select
        p.product_id,
        p.category
    from core.products as p
    where p.product_type = 'goods'
),

held as (
    select
        l.order_id,
        l.product_id,
        sum(l.quantity) as quantity,
        sum(l.net_sales) as net_sales
    from placed as l
    group by l.order_id, l.product_id
    having sum(l.quantity) > 0
),

final as (
    select
        h.order_id,
        h.product_id,
        g.category,
        o.customer_id,
        o.order_date,
        h.quantity,
        h.net_sales,
        o.currency
    from held as h
    inner join goods as g on h.product_id = g.product_id
    inner join core.orders as o on h.order_id = o.order_id
)

select * from final
