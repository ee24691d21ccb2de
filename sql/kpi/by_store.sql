-- One row per month and shop with a line that counts: what it sold, what came back, and to how many.
-- Sales that name no shop belong to `__online__`. A return stands in the shop where it was given back.
-- `orders` and `customers` are distinct within the row; a customer of two shops counts in both.
with lines as (
    select
        s.sold_month as month,
        s.store_id,
        s.order_id,
        s.customer_id,
        s.quantity,
        s.line_type,
        s.gross_sales,
        s.discounts,
        s.returns,
        s.net_sales
    from core.sales as s
    cross join core.clock as c
    where s.is_valid and s.sold_date <= c.as_of_date
),

stores as (
    select
        s.store_id,
        s.store_name,
        s.channel,
        s.location
    from core.stores as s
),

sums as (
    select
        l.month,
        l.store_id,
        count(distinct l.order_id) filter (where l.line_type = 'sale') as orders,
        count(distinct l.customer_id) filter (where l.line_type = 'sale') as customers,
        coalesce(sum(l.quantity) filter (where l.line_type = 'sale'), 0) as units,
        coalesce(sum(-l.quantity) filter (where l.line_type = 'return'), 0) as units_returned,
        sum(l.gross_sales) as gross_sales,
        sum(l.discounts) as discounts,
        sum(l.returns) as returns,
        sum(l.net_sales) as net_sales
    from lines as l
    group by l.month, l.store_id
),

final as (
    select
        t.month,
        t.store_id,
        s.store_name,
        s.channel,
        s.location,
        t.orders,
        t.customers,
        t.units,
        t.units_returned,
        t.gross_sales,
        t.discounts,
        t.returns,
        t.net_sales,
        c.currency
    from sums as t
    cross join core.clock as c
    left join stores as s on t.store_id = s.store_id
)

select * from final
