-- One row per month and shop with a line that counts: what it sold, what came back, and to how many.
-- Sales that name no shop belong to `__online__`. A return stands in the shop where it was given back.
-- `orders` and `customers` are distinct within the row; a customer of two shops counts in both. New customers
-- are those whose first order ever began in this shop in this month.
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

first_orders as (
    select
        o.order_month as month,
        o.store_id,
        count(*) as new_customers
    from core.orders as o
    cross join core.clock as c
    where o.is_first_order and o.order_date <= c.as_of_date
    group by o.order_month, o.store_id
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
        coalesce(f.new_customers, 0) as new_customers,
        t.units,
        t.units_returned,
        t.gross_sales,
        t.discounts,
        t.discounts::double precision / nullif(t.gross_sales, 0) as discount_rate,
        t.returns,
        t.net_sales,
        t.net_sales::double precision / nullif(greatest(sum(t.net_sales) over (partition by t.month), 0), 0)
            as share,
        ((t.gross_sales - t.discounts) / nullif(t.orders, 0))::numeric(18, 4) as aov,
        t.units::double precision / nullif(t.orders, 0) as units_per_order,
        c.currency
    from sums as t
    cross join core.clock as c
    left join stores as s on t.store_id = s.store_id
    left join first_orders as f on t.month = f.month and t.store_id = f.store_id
)

select * from final
